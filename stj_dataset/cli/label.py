"""`stj-dataset label`: what a person decides about a picture, or about many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_dataset.cli.common import CatalogOption, ListedOption, confirm, label_of, meant_pictures, opened

if TYPE_CHECKING:
    from stj_catalog.catalog import Catalog
    from stj_catalog.reviews import Decided
    from stj_core.config import Config
    from stj_core.vocabulary import Action
    from stj_images.likeness import Thresholds

_MANY = 20


def label(
    *,
    image: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its sha256 (six digits or more), an exported file's name, or its address; several are decided alike.",
            show_default=False,
        ),
    ] = None,
    listed: ListedOption = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Also all pictures of a status, reason, label, source, crawl, group, tag or text; undecided leaves out decided "
            "ones. May be repeated.",
            show_default=False,
        ),
    ] = None,
    as_label: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="CLASS", help="It is of this class: number, slug or name; or none.", show_default=False
        ),
    ] = None,
    reject: Annotated[
        str | None, typer.Option(metavar="REASON", help="Leave it out, for this reason.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="It is right as it is, whatever the rules say.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the newest decision about it.")] = False,
    reviewer: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.  [you]", show_default=False)] = "",
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the record.", show_default=False)] = "",
    seen: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="The decision seen last (0: none): refuse if another stands.", show_default=False
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Decide about more than twenty pictures without being asked.")
    ] = False,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a decision about pictures: their class, or that they stay, or go.

    Who decided, when and why is kept for good; every later export follows it. The newest decision counts. Many pictures are
    decided together or not at all; more than twenty are asked about first.
    """
    from stj_core.errors import UsageError
    from stj_images.likeness import thresholds_of

    chosen = [as_label is not None, reject is not None, keep, undo]
    if sum(chosen) != 1:
        raise UsageError(f"Give one of --as LABEL, --reject REASON, --keep and --undo, got {sum(chosen)} of them.")
    with opened(catalog) as (found, config):
        wanted = None if as_label is None else meant_label(as_label, config)
        ids = meant_pictures(found, config, image or [], listed, where or [])
        if seen is not None and len(ids) > 1:
            raise UsageError(f"--seen is about one picture, and {len(ids):,} are meant.")
        if len(ids) > _MANY:
            confirm(f"This decides about {len(ids):,} pictures.", yes=yes)
        before = states(found, ids)
        thresholds = thresholds_of(config)
        if undo:
            done = _undone(found, ids, thresholds, seen)
        else:
            action = _action(wanted, keep=keep)
            made = _Made(action, wanted if action == "label" else None, reject or reason or None, reviewer or _user())
            done = _written(found, ids, made, thresholds, seen)
    _tell(done, before, many=len(ids) > 1 or image is None, as_json=as_json)


@dataclass(frozen=True)
class _Made:
    action: str
    label: int | None
    reason: str | None
    reviewer: str


def _written(catalog: Catalog, ids: list[int], made: _Made, thresholds: Thresholds, seen: int | None) -> list[Decided]:
    from stj_catalog.reviews import Wish, record_each, record_review

    if len(ids) == 1:
        told = {"label": made.label, "reason": made.reason, "reviewer": made.reviewer}
        return [record_review(catalog, ids[0], made.action, **told, seen=seen, thresholds=thresholds)]  # type: ignore[arg-type]  # three texts and a number
    wishes = [Wish(one, made.action, made.reviewer, made.label, made.reason) for one in ids]
    return record_each(catalog, wishes, thresholds)[0]


def _undone(catalog: Catalog, ids: list[int], thresholds: Thresholds, seen: int | None) -> list[Decided]:
    from stj_catalog.decisions import newest_decisions
    from stj_catalog.reviews import take_back_many, undo_review

    if len(ids) == 1:
        return [undo_review(catalog, ids[0], thresholds, seen=seen)]
    standing = newest_decisions(catalog, ids)
    return take_back_many(catalog, [one["id"] for one in standing.values()], thresholds)


def _user() -> str:
    from stj_catalog.reviews import user_name

    return user_name() or "unknown"


def states(catalog: Catalog, ids: list[int]) -> dict[str, dict[str, object]]:
    """How some pictures stand, by sha256."""
    from stj_catalog.gallery import tiles_of

    return {
        tile.sha256 or "": {"status": tile.status, "label": tile.label, "reason": tile.reason}
        for tile in tiles_of(catalog, ids)
    }


def _tell(done: list[Decided], before: Mapping[str, Mapping[str, object]], *, many: bool, as_json: bool) -> None:
    documents = [
        {
            "sha256": one.sha256,
            "status": one.status,
            "label": one.label,
            "reason": one.reason,
            "before": before[one.sha256],
        }
        for one in done
    ]
    if as_json:
        emit_json({"decided": len(done), "pictures": documents} if many else documents[0])
        return
    for one in documents:
        emit(f"{str(one['sha256'])[:12]}: {_words(before[str(one['sha256'])])} → {_words(one)}")
    if many:
        say(f"{counted(len(done), 'picture')} decided; {counted(len(before) - len(done), 'other')} stood so already.")


def meant_label(word: str, config: Config) -> int:
    """The label of the class that a word means, or NO_LABEL for none of the classes."""
    from stj_core.class_folders import NONE_NAMES, folded
    from stj_core.labels import NO_LABEL, NONE, load_categories

    known = load_categories(config.labels)
    nothing = {one for category in known if category.role == NONE for one in (category.slug, folded(category.name))}
    if folded(word) in {*NONE_NAMES, *nothing}:
        return NO_LABEL
    return label_of(word, [one for one in known if one.role != NONE])


def _action(wanted: int | None, *, keep: bool) -> Action:
    from stj_core.labels import NO_LABEL
    from stj_core.vocabulary import Action

    if wanted is not None:
        return Action.NONE if wanted == NO_LABEL else Action.LABEL
    return Action.KEEP if keep else Action.REJECT


def _words(state: Mapping[str, object]) -> str:
    from stj_core.vocabulary import Status

    reason = f" ({state['reason']})" if state["reason"] else ""
    none = "none of the classes" if state["status"] == Status.KEPT else "no label"
    label = none if state["label"] is None else f"label {state['label']}"
    return f"{state['status']}{reason}, {label}"
