"""`stj-dataset`: from the catalogue to a dataset one can defend."""

from __future__ import annotations

from typing import NoReturn

from stj_core.cli import make_app, run
from stj_dataset.cli import (
    audit,
    backup,
    card,
    copy_catalog,
    dedupe,
    diff,
    export,
    forget,
    group,
    label,
    metrics,
    restore,
    reviews,
    stats,
    tag,
    verify,
    why,
)
from stj_dataset.cli import import_ as bring

app = make_app("Look after the catalogue and make datasets of it.")
app.command("import")(bring.import_)
app.command("stats")(stats.stats)
app.command("dedupe")(dedupe.dedupe)
app.command("export")(export.export)
app.command("verify")(verify.verify)
app.command("card")(card.card)
app.command("diff")(diff.diff)
app.command("audit")(audit.audit)
app.command("why")(why.why)
app.command("label")(label.label)
app.command("tag")(tag.tag)
app.command("group")(group.group)
app.command("reviews")(reviews.reviews)
app.command("forget")(forget.forget)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("metrics")(metrics.metrics)
app.command("copy-catalog")(copy_catalog.copy_catalog)


def main() -> NoReturn:
    """Run the command line."""
    run(app)
