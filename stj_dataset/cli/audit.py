"""`stj-dataset audit`: which labels to doubt, and which pictures look wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit_json, say
from stj_core.console import bars, make_table, show
from stj_core.locations import Location
from stj_core.vocabulary import Status
from stj_dataset.cli.common import CatalogOption, ImagesOption, opened

if TYPE_CHECKING:
    from stj_core.partitions import SetAside
    from stj_dataset.audit.page import Findings


def audit(
    *,
    run: Annotated[
        Location | None,
        typer.Argument(
            parser=Location.of, help="A training run's folder or address.  [runs/latest]", show_default=False
        ),
    ] = None,
    page: Annotated[Path, typer.Option(help="The page of suspects to write.")] = Path("audit.html"),
    most: Annotated[int, typer.Option(min=1, help="Pictures on the page, for each kind of suspect.")] = 200,
    pictures_only: Annotated[
        bool, typer.Option("--pictures-only", help="Look at the pictures themselves only; needs no training run.")
    ] = False,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank every label by what models thought that had not seen the picture, and find odd pictures.

    Reads a run's out-of-fold probabilities (out_of_fold.csv), ranks them with cleanlab, worst first, and
    writes a page to look at. Blurred, dark, nearly blank and odd-shaped pictures are on it too.
    Needs pip install 'stj[audit]'.
    """
    from stj_catalog.stats import count_all
    from stj_core.cluster import open_cluster
    from stj_core.errors import DatasetError
    from stj_core.labels import load_labels
    from stj_dataset.audit.cache import keep_odd
    from stj_dataset.audit.labels import rank_run
    from stj_dataset.audit.page import Findings, odd_pictures, write_suspects
    from stj_images.store import open_store

    lost: list[tuple[str, SetAside]] = []
    with opened(catalog, images, cluster) as (found, config), bars() as progress:
        suspects = [] if pictures_only else rank_run(run, config.runs)
        store = open_store(config.images)
        kept = sum(n for (_, status), n in count_all(found).images.items() if status == Status.KEPT)
        with open_cluster(config.cluster, say) as workers:
            odd = odd_pictures(found, store, progress("Looking", kept), workers, lost)
        findings = Findings(suspects, odd)
        # For the studio's review; an audit whose cache cannot be written has still done its job.
        with suppress(OSError):
            reasons = ((one.facts.sha256, [why.reason for why in one.oddities]) for one in findings.odd)
            keep_odd(config.cache, reasons)
        classes = {one.label: one.name for one in load_labels(config.labels)}
        doubted = write_suspects(page, findings, found, store, classes, most)
    if as_json:
        emit_json(findings.as_json())
    else:
        _print(findings, classes)
    number = len(findings.odd)
    labels, pictures = (counted(n, thing) for n, thing in ((doubted, "label"), (number, "picture")))
    say(f"{page}: {labels} look{'s' * (doubted == 1)} wrong, {pictures} look{'s' * (number == 1)} odd.")
    if lost:
        raise DatasetError(
            f"{counted(len(lost), 'picture')} ({lost[0][0][:12]}{' …' if len(lost) > 1 else ''}) were not looked at: workers "
            f"failed on them three times ({lost[0][1].reason}). The same command tries again; the page has all others."
        )


def _print(findings: Findings, classes: dict[int, str]) -> None:
    rows = [
        [
            f"{place}",
            one.sha256[:12],
            classes.get(one.given, str(one.given)),
            classes.get(one.guess, str(one.guess)),
            one.title[:48],
            f"{one.score:.4f}",
        ]
        for place, one in enumerate(findings.suspects[:20], 1)
    ]
    if rows:
        head = ("", "sha256", "given", "guess", "title", "score")
        show(make_table(f"The first of {len(findings.suspects):,} labels, worst first", head, rows, words=5))
    odd = [
        [one.facts.sha256[:12], ", ".join(found.reason for found in one.oddities), one.facts.title[:48]]
        for one in findings.odd[:20]
    ]
    if odd:
        show(make_table(counted(len(findings.odd), "odd picture"), ("sha256", "why", "title"), odd, words=3))
