"""`stj-dataset group`: people say which pictures are the same, which stay together, and which are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_dataset.cli.common import CatalogOption, ListedOption, WhereOption, confirm, meant_pictures, opened
from stj_dataset.cli.tag import changes_of, undo_act

if TYPE_CHECKING:
    from stj_catalog.by_hand import Regrouped

_MANY = 20


def group(
    *,
    image: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its sha256 (six digits or more), an exported file's name, or its address; two or more.",
            show_default=False,
        ),
    ] = None,
    listed: ListedOption = None,
    where: WhereOption = None,
    word: Annotated[
        Literal["same", "group", "apart", "split"] | None,
        typer.Option(
            "--as",
            help="same: one picture, the best is kept. group: different ones that stay in one split. apart: not the same, and "
            "free to part. split: apart from the rest of their groups.",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[
        int | None, typer.Option(metavar="ACT", help="Take back what was said under this number.", show_default=False)
    ] = None,
    reviewer: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.  [you]", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", help="About more than twenty pictures without being asked.")] = False,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put pictures together by hand, or tell them apart, whatever their looks say.

    It holds for these bytes wherever they come again, in every later dedupe and export. Who said it is kept, and each time has a
    number by which all of it is taken back. Pictures of one product stay together all the same.
    """
    from stj_core.errors import UsageError

    if undo is not None and not (image or listed or where or word):
        undo_act(catalog, undo, as_json=as_json)
        return
    if word is None or undo is not None:
        raise UsageError("Give pictures and --as same, group, apart or split; or --undo ACT alone.")
    from stj_catalog.by_hand import tell
    from stj_catalog.reviews import user_name
    from stj_images.likeness import thresholds_of

    with opened(catalog) as (found, config):
        ids = meant_pictures(found, config, image or [], listed, where or [])
        if len(ids) > _MANY:
            confirm(f"This is said of {len(ids):,} pictures.", yes=yes)
        by = reviewer or user_name() or "unknown"
        done = tell(found, ids, word, reviewer=by, thresholds=thresholds_of(config))
    _tell(done, as_json=as_json)


def _tell(done: Regrouped, *, as_json: bool) -> None:
    number = done.act["id"] if done.act else None
    if as_json:
        groups = {str(row): group for row, group in sorted(done.groups.items())}
        told = {"act": number, "pairs": done.pairs, "groups": groups, "still_together": done.still}
        emit_json({**told, "changed": changes_of(done.changed)})
        return
    emit(
        f"{counted(done.pairs, 'pair')} told; the pictures are in {counted(len(set(done.groups.values())), 'group')} now."
        if number is not None
        else "It stood so already: nothing was written."
    )
    for row, (before, after) in sorted(done.changed.items()):
        emit(f"picture {row}: {before} → {after}")
    if done.still:
        emit(
            f"{counted(done.still, 'pair')} of them stay in one group all the same: they are of one product, or a third picture "
            "is like both."
        )
    if number is not None:
        say(f"To take it back: stj-dataset group --undo {number}")
