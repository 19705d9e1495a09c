"""`stj-dataset stats`: what the catalogue holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stj_core.cli import JsonOption, counted, emit_json
from stj_core.console import make_table, show
from stj_core.vocabulary import Status, in_order
from stj_dataset.cli.common import CatalogOption, opened

if TYPE_CHECKING:
    from stj_catalog.stats import Counts
    from stj_core.labels import Category


def stats(catalog: CatalogOption = None, as_json: JsonOption = False) -> None:
    """Count pictures by label and status, groups, sightings and crawls.

    Every picture has exactly one status.
    """
    from stj_catalog.stats import count_all
    from stj_core.labels import load_labels

    with opened(catalog) as (found, config):
        counts = count_all(found)
    categories = load_labels(config.labels)
    if as_json:
        emit_json(as_document(counts, categories))
    else:
        _print(counts, categories)


def as_document(counts: Counts, categories: tuple[Category, ...]) -> dict[str, Any]:
    """The counts as `--json` prints them."""
    statuses: dict[str, int] = {}
    labels: dict[str, dict[str, int]] = {str(one.label): {} for one in categories}
    for (label, status), n in sorted(counts.images.items(), key=str):
        statuses[status] = statuses.get(status, 0) + n
        if label is not None:
            labels.setdefault(str(label), {})[status] = n
    none = {status: n for (label, status), n in counts.images.items() if label is None and status == Status.KEPT}
    return {
        "images": statuses,
        "labels": labels,
        **({"none": none} if none else {}),
        "groups": counts.groups,
        "sightings": counts.sightings,
        "crawls": counts.crawls,
    }


def _print(counts: Counts, categories: tuple[Category, ...]) -> None:
    document = as_document(counts, categories)
    names = {str(one.label): one.name for one in categories}
    statuses = in_order(Status, document["images"])
    rows = [
        [f"{label} {names.get(label, '')}".strip(), *(by.get(one, 0) for one in statuses), sum(by.values())]
        for label, by in document["labels"].items()
    ]
    unlabelled = [
        sum(n for (label, status), n in counts.images.items() if label is None and status == one) for one in statuses
    ]
    if "none" in document:
        none = [document["none"].get(one, 0) for one in statuses]
        rows.append(["none of the classes", *none, sum(none)])
        unlabelled = [n - kept for n, kept in zip(unlabelled, none, strict=True)]
    if any(unlabelled):
        rows.append(["no label", *unlabelled, sum(unlabelled)])
    totals = [document["images"][one] for one in statuses]
    rows.append(["all", *totals, sum(totals)])
    show(make_table("Pictures", ("label", *statuses, "all"), rows))
    if counts.reasons:
        reasons = sorted(counts.reasons.items(), key=lambda pair: (pair[0][0], -pair[1], pair[0][1]))
        show(make_table("Why", ("status", "reason", "pictures"), [[*key, n] for key, n in reasons], words=2))
    show(
        f"{counted(counts.groups, 'group')}, {counted(counts.sightings, 'sighting')}, {counted(counts.crawls, 'crawl')}, "
        f"{counted(counts.exports, 'export')}."
    )
