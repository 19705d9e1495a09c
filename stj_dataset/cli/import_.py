"""`stj-dataset import`: begin with a folder of pictures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit_json, say
from stj_core.console import bars, make_table, show
from stj_core.errors import DatasetError
from stj_dataset.cli.common import CatalogOption, ImagesOption

if TYPE_CHECKING:
    from stj_catalog.importing import ImportReport


def import_(
    *,
    folder: Annotated[Path, typer.Argument(help="A folder with a folder for each class: 0, 0_saree or saree.")],
    sources: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Where each came from: columns file and source (or repository); title, asin and url if known. [its SOURCES.csv]",
            show_default=False,
        ),
    ] = None,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a folder of labelled pictures into the catalogue, as if a shop had shown them.

    The files are copied into the image store. Importing again adds only what is new.
    """
    from stj_catalog.catalog import file_of, open_catalog
    from stj_catalog.importing import import_folder, survey
    from stj_catalog.incremental import Settler
    from stj_catalog.origins import doubts_about, find_origins
    from stj_core.class_folders import summed_up
    from stj_core.cluster import open_cluster
    from stj_core.config import read_config
    from stj_core.labels import NO_LABEL, load_categories
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    config = read_config(catalog=catalog, images=images, cluster=cluster)
    labels = load_categories(config.labels)
    lying = survey(folder, labels)
    origins, remark = find_origins(folder, sources)
    if remark:
        say(remark)
    for doubt in doubts_about(origins or {}, lying.names):
        say(doubt)
    file = file_of(config.catalog_url)
    if file is not None and not file.exists() and not open_store(config.images).is_empty():
        say(
            f"A new catalogue is made at {file}, and pictures of another one lie in {config.images}: if it was lost, stop here "
            "and restore a backup (stj-dataset restore)."
        )
    found = open_catalog(config.catalog_url, create=True, images=config.images)
    try:
        settler = Settler.for_catalog(found, thresholds_of(config))
        with open_cluster(config.cluster, say) as workers, bars() as progress:
            report = import_folder(
                found,
                open_store(config.images),
                settler,
                lying,
                origins=origins,
                tick=progress("Importing", lying.files),
                cluster=workers,
            )
    finally:
        found.close()
    for sentence in summed_up(report.passed_over):
        say(sentence)
    if report.moved:
        first = "; ".join(f"{one.old} to {one.new}" for one in report.moved[:5])
        say(
            f"{counted(len(report.moved), 'picture')} moved to another class since the last import: taken as a correction "
            f"({first}{' …' if len(report.moved) > 5 else ''}). stj-dataset label … --undo takes one back."
        )
    if origins is not None and report.unnamed:
        say(
            f"{report.unnamed} of {counted(lying.files, 'file')} {'is' if report.unnamed == 1 else 'are'} not in "
            f"{sources or 'SOURCES.csv'}: without a source."
        )
    if as_json:
        counts = {
            "none" if label == NO_LABEL else str(label): dict(sorted(tally.items()))
            for label, tally in report.labels.items()
        }
        over = [asdict(one) for one in report.passed_over]
        aside = [{"files": names, "reason": why} for names, why in report.set_aside]
        told = {"files": lying.files, "known": report.known, "labels": counts, "crawls": report.crawls}
        emit_json({**told, "passed_over": over, "moved": [asdict(one) for one in report.moved], "set_aside": aside})
        _tell_set_aside(report)
        return
    names = {one.label: one.name if one.label == NO_LABEL else f"{one.label} {one.name}" for one in labels}
    words = sorted({word for tally in report.labels.values() for word in tally})
    rows = [(names[label], *(tally[word] for word in words)) for label, tally in report.labels.items()]
    show(make_table(f"Imported {counted(lying.files, 'file')}, {report.known:,} known before", ("class", *words), rows))
    _tell_set_aside(report)


def _tell_set_aside(report: ImportReport) -> None:
    """End as a failure where workers failed on files: those were left out.

    Raises:
        DatasetError: they did.
    """
    if report.set_aside:
        names = [name for some, _ in report.set_aside for name in some]
        some = f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        raise DatasetError(
            f"{counted(len(names), 'file')} ({some}) were left out: workers failed on them three times "
            f"({report.set_aside[0][1]}). The same command tries them again; everything else is in."
        )
