"""`stj-dataset`: from the catalogue to a dataset one can defend."""

from __future__ import annotations

from typing import NoReturn

from stj_catalog.cli import make_app, run
from stj_dataset.cli import export, stats, verify

app = make_app("Look after the catalogue and make datasets of it.")
app.command("stats")(stats.stats)
app.command("export")(export.export)
app.command("verify")(verify.verify)


@app.callback()
def _commands() -> None:
    """Look after the catalogue and make datasets of it."""


def main() -> NoReturn:
    """Run the command line."""
    run(app)
