"""`stj`: one front door to the rooms. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import NoReturn

from stj.doctor import doctor
from stj.project import init
from stj.weights import app as weights
from stj_core.cli import make_app, run
from stj_demo.cli import shop
from stj_demo.walk import walk
from stj_web.cli import serve

app = make_app(
    "From a shop's listing pages to a dataset and a model one can trust. The road's own commands are scrapy crawl, "
    "stj-dataset and stj-model."
)
app.command("init")(init)
app.command("demo")(walk)
app.command("shop")(shop)
app.command("doctor")(doctor)
app.command("studio")(serve)
app.add_typer(weights, name="weights")


def main() -> NoReturn:
    """Run `stj`."""
    run(app)
