"""`stj-dataset tag`: words by which people find pictures again."""

from __future__ import annotations

from typing import Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_dataset.cli.common import CatalogOption, ListedOption, WhereOption, confirm, meant_pictures, opened

_MANY = 20


def tag(
    *,
    image: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its sha256 (six digits or more), an exported file's name, or its address; several are tagged alike.",
            show_default=False,
        ),
    ] = None,
    listed: ListedOption = None,
    where: WhereOption = None,
    add: Annotated[
        str | None, typer.Option(metavar="TAG", help="Give them this tag: any line of text.", show_default=False)
    ] = None,
    remove: Annotated[
        str | None, typer.Option(metavar="TAG", help="Take this tag from them.", show_default=False)
    ] = None,
    undo: Annotated[
        int | None, typer.Option(metavar="ACT", help="Take back what was done under this number.", show_default=False)
    ] = None,
    reviewer: Annotated[str, typer.Option("--by", metavar="NAME", help="Who tags.  [you]", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Tag more than twenty pictures without being asked.")] = False,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tag pictures, to find them again; without anything, list the tags.

    A tag decides nothing and is in no dataset. Who tagged what, and when, is kept; each time has a number by which all of it is
    taken back.
    """
    from stj_core.errors import UsageError

    named = bool(image or where or listed is not None)
    chosen = [one for one in (add, remove, undo) if one is not None]
    if len(chosen) > 1 or (named and not chosen) or (named and undo is not None):
        raise UsageError("Give pictures with one of --add TAG and --remove TAG, or --undo ACT alone, or nothing.")
    if undo is not None:
        undo_act(catalog, undo, as_json=as_json)
    elif chosen:
        _tag(
            catalog,
            (image or [], listed, where or []),
            str(chosen[0]),
            reviewer,
            take=remove is not None,
            yes=yes,
            as_json=as_json,
        )
    else:
        _list(catalog, as_json=as_json)


def _tag(
    catalog: str | None,
    meant: tuple[list[str], str | None, list[str]],
    word: str,
    reviewer: str,
    *,
    take: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from stj_catalog.reviews import user_name
    from stj_catalog.tags import read_tag, tag_pictures

    read_tag(word)
    with opened(catalog) as (found, config):
        ids = meant_pictures(found, config, *meant)
        if len(ids) > _MANY:
            confirm(f"This {'takes a tag from' if take else 'tags'} {len(ids):,} pictures.", yes=yes)
        done = tag_pictures(found, ids, word, reviewer=reviewer or user_name() or "unknown", take=take)
    number = done.act["id"] if done.act else None
    if as_json:
        told = {"act": number, "tag": done.tag, "changed": len(done.changed), "unchanged": done.unchanged}
        emit_json(told)
        return
    verb = "lost" if take else "got"
    emit(f"{counted(len(done.changed), 'picture')} {verb} the tag {done.tag}; {done.unchanged:,} had it so already.")
    if number is not None:
        say(f"To take it back: stj-dataset tag --undo {number}")


def _list(catalog: str | None, *, as_json: bool) -> None:
    from stj_catalog.tags import count_tags

    with opened(catalog) as (found, _):
        counts = count_tags(found)
    if as_json:
        emit_json({"tags": counts})
        return
    for name, number in counts.items():
        emit(f"{number:>7,}  {name}")
    say(f"{counted(len(counts), 'tag')}.")


def undo_act(catalog: str | None, number: int, *, as_json: bool) -> None:
    """Take back an act of either command."""
    from stj_catalog.by_hand import undo_act as take_back
    from stj_images.likeness import thresholds_of

    with opened(catalog) as (found, config):
        done = take_back(found, number, thresholds_of(config))
    assert done.act is not None
    if as_json:
        emit_json({"act": number, "undone": done.act["action"], "changed": changes_of(done.changed)})
        return
    emit(f"Act {number} ({done.act['action']}, {done.act['reviewer']}, {done.act['made_at']}) is taken back.")
    for row, (before, after) in sorted(done.changed.items()):
        emit(f"picture {row}: {before} → {after}")


def changes_of(changed: dict[int, tuple[str, str]]) -> list[dict[str, object]]:
    """Changed statuses as a list of objects."""
    return [{"id": row, "before": before, "after": after} for row, (before, after) in sorted(changed.items())]
