"""`stj-dataset label`: what a person decides about a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_dataset.cli.common import CatalogOption, label_of, opened, picture_word

if TYPE_CHECKING:
    from stj_core.config import Config
    from stj_core.vocabulary import Action


def label(
    *,
    image: Annotated[
        str,
        typer.Argument(
            help="Its sha256 (six digits or more), an exported file's name, or its address.", show_default=False
        ),
    ],
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
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a decision about a picture: its class, or that it stays, or goes.

    Who decided, when and why is kept for good; every later export follows it. The newest decision counts.
    """
    from stj_catalog.lookup import find_picture
    from stj_catalog.reviews import record_review, undo_review, user_name
    from stj_core.errors import UsageError
    from stj_core.vocabulary import Action
    from stj_images.likeness import thresholds_of

    chosen = [as_label is not None, reject is not None, keep, undo]
    if sum(chosen) != 1:
        raise UsageError(f"Give one of --as LABEL, --reject REASON, --keep and --undo, got {sum(chosen)} of them.")
    with opened(catalog) as (found, config):
        wanted = None if as_label is None else _meant(as_label, config)
        picture = find_picture(found, picture_word(image))
        thresholds = thresholds_of(config)
        if undo:
            now = undo_review(found, picture.id, thresholds, seen=seen)
        else:
            action = _action(wanted, keep=keep)
            now = record_review(
                found,
                picture.id,
                action,
                label=None if action is not Action.LABEL else wanted,
                reason=reject or reason or None,
                reviewer=reviewer or user_name() or "unknown",
                seen=seen,
                thresholds=thresholds,
            )
    document = {"sha256": now.sha256, "status": now.status, "label": now.label, "reason": now.reason}
    before = {"status": picture.status, "label": picture.label, "reason": picture.reason}
    if as_json:
        emit_json({**document, "before": before})
    else:
        emit(f"{now.sha256[:12]}: {_words(before)} → {_words(document)}")


def _meant(word: str, config: Config) -> int:
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
    reason = f" ({state['reason']})" if state["reason"] else ""
    return f"{state['status']}{reason}, label {state['label']}"
