"""`stj-dataset export`: a dataset folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stj_core.cli import ClusterOption, JsonOption, counted, emit_json, say
from stj_core.console import bars, make_table, show
from stj_core.locations import Location
from stj_dataset.cli.common import CatalogOption, ImagesOption, opened
from stj_dataset.shares import SHARES

if TYPE_CHECKING:
    from stj_dataset.export import ExportResult

DEFAULT = Location("dataset")


def export(
    *,
    out: Annotated[
        Location,
        typer.Argument(
            parser=Location.of,
            help="Folder, or address (s3://bucket/dataset), to write; an earlier dataset there is replaced whole.",
        ),
    ] = DEFAULT,
    split: Annotated[
        float, typer.Option(help="Val as a share of what is not test, more than 0 and less than 1.")
    ] = SHARES.split,
    test: Annotated[
        float, typer.Option(help="Test as a share of all pictures, at least 0 and less than 1.")
    ] = SHARES.test,
    test_count: Annotated[
        int | None,
        typer.Option(metavar="N", help="N pictures for test, shared among the classes, instead.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every split that is not decided yet.")] = 42,
    layout: Annotated[
        Literal["stj", "student"],
        typer.Option(help="stj: train/, val/ and test/; student: Dataset/ and Test/; each with a folder per label."),
    ] = "stj",
    format: Annotated[  # noqa: A002 - the option's name
        Literal["folder", "webdataset"], typer.Option(help="Pictures in folders, or in WebDataset's tar files.")
    ] = "folder",
    by: Annotated[
        Literal["group", "source"],
        typer.Option(
            help="Keep groups together, or whole shops: that measures how a model does in a shop it never saw."
        ),
    ] = "group",
    per_class: Annotated[
        int | None,
        typer.Option(metavar="N", help="At most N pictures of a class, drawn by the seed.", show_default=False),
    ] = None,
    min_side: Annotated[int, typer.Option(metavar="PIXELS", help="Withhold pictures with a shorter side.")] = 0,
    max_related: Annotated[
        int | None,
        typer.Option(metavar="N", help="At most N pictures of one group, the larger first.", show_default=False),
    ] = None,
    crawl: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="Only pictures sighted in this crawl; may be repeated.", show_default=False),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="Only pictures first seen on or after this day (2026-05-01).", show_default=False
        ),
    ] = "",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out classes that have no picture.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links instead of copies where the bytes stay as they are.")
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="The manifest and its provenance as Parquet too (needs stj[parquet]).")
    ] = False,
    rehash: Annotated[
        bool,
        typer.Option(
            "--rehash", help="Let the leak check hash every file afresh, not only converted ones and a sample."
        ),
    ] = False,
    catalog: CatalogOption = None,
    images: ImagesOption = None,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a dataset: split by group, stratified by class, proven free of leaks.

    Pictures keep their split in every later export with the same seed, --split, --test and --by; the same
    catalogue gives the same bytes. The folder is written aside and swapped in when it is whole.
    """
    from stj_core.cluster import open_cluster
    from stj_core.labels import load_labels
    from stj_dataset.export import export_dataset
    from stj_dataset.settings import ExportSettings
    from stj_images.likeness import thresholds_of
    from stj_images.store import open_store

    settings = ExportSettings(
        out=out,
        split=split,
        test=test,
        test_count=test_count,
        seed=seed,
        layout=layout,
        format=format,
        by=by,
        per_class=per_class,
        min_side=min_side,
        max_related=max_related,
        crawls=tuple(crawl or ()),
        since=since,
        allow_missing=allow_missing,
        link=link,
        parquet=parquet,
        rehash=rehash,
    )
    with (
        opened(catalog, images, cluster) as (found, config),
        open_cluster(config.cluster, say) as workers,
        bars() as progress,
    ):
        categories = load_labels(config.labels)
        result = export_dataset(
            found,
            open_store(config.images),
            categories,
            settings,
            thresholds=thresholds_of(config),
            progress=progress,
            workers=workers,
            cache=config.cache,
        )
    if as_json:
        emit_json(result.as_json())
    else:
        _print(result)


def _print(result: ExportResult) -> None:
    from stj_core.vocabulary import Withheld, sentence_of

    balance = result.balance
    rows = [
        [
            cell.split,
            f"{cell.label} {balance.classes[cell.label]}",
            cell.pictures,
            f"{cell.wanted:.1f}",
            cell.groups,
            cell.products,
            cell.largest_group,
        ]
        for cell in balance.cells
    ]
    head = ("split", "class", "pictures", "asked for", "groups", "products", "largest group")
    show(make_table(f"{result.out}: {counted(balance.pictures, 'picture')}", head, rows, words=2))
    shares = ", ".join(
        f"{split} {share['got']:.1%} (asked for {share['wanted']:.1%})" for split, share in balance.shares.items()
    )
    show(f"Shares: {shares}.")
    for remark in balance.remarks():
        show(f"- {remark}")
    for reason, n in balance.withheld.items():
        show(f"- {n} withheld: {sentence_of(Withheld, reason)}.")
    if balance.others:
        said = ", ".join(f"{split} {n:,}" for split, n in balance.others.items())
        show(f"Beside the classes, in none/: {said} pictures of something else.")
    show(result.proof.sentence)
    if result.nearest:
        show(f"That pair: {result.nearest[0]} and {result.nearest[1]}.")
    show(f"Digest {result.digest}")
