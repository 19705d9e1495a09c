"""Whether a crawl that came to the end of its listing did its job."""

from __future__ import annotations

from collections.abc import Mapping

from stj_catalog import crawls
from stj_catalog.catalog import Catalog
from stj_core.cli import counted
from stj_spiders.coverage import fields_fallen
from stj_spiders.outcome import FINISHED, Outcome, drifted, empty, failed


def judge_end(catalog: Catalog, crawl_id: int, fields: Mapping[str, int], parser: str) -> Outcome:
    """How a crawl ended that has no page left: read as before, nothing left out, and something to show for it.

    Args:
        catalog: what it wrote to.
        crawl_id: its row.
        fields: how many cards its listing pages had (`cards`), and how many of those had each field.
        parser: name and version of the parser.
    """
    fallen = fields_fallen(fields, crawls.earlier_coverages(catalog, crawl_id))
    if fallen:
        return drifted(", ".join(fallen), parser)
    for kind, number, _, reason in crawls.pages_set_aside(catalog, crawl_id):
        if kind == "listing":
            return failed(f"Listing page {number} was set aside ({reason}): the same command tries it again.")
    if crawls.has_usable_pictures(catalog, crawl_id):
        return FINISHED
    summary = crawls.crawl_summary(catalog, crawl_id)
    why = ", ".join(f"{n} {reason}" for reason, n in summary["reasons"].items()) or "none has a picture"
    what = f"No picture of {counted(summary['cards'], 'card')} could be kept ({why})"
    return empty(f"{what}: look into that, then give the same command again.")
