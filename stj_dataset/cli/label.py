"""`stj-dataset label`: what a person decides about a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json
from stj_dataset.cli.common import CatalogOption, opened

if TYPE_CHECKING:
    from stj_core.config import Config


def label(
    *,
    image: Annotated[
        str,
        typer.Argument(
            help="Its sha256 (six digits or more), an exported file's name, or its address.", show_default=False
        ),
    ],
    as_label: Annotated[
        int | None, typer.Option("--as", metavar="LABEL", help="It is of this class.", show_default=False)
    ] = None,
    reject: Annotated[
        str | None, typer.Option(metavar="REASON", help="Leave it out, for this reason.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="It is right as it is, whatever the rules say.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the newest decision about it.")] = False,
    reviewer: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.  [you]", show_default=False)] = "",
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the record.", show_default=False)] = "",
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a decision about a picture: its class, or that it stays, or goes.

    Who decided, when and why is kept for good; every later export follows it. The newest decision counts.
    """
    from stj_catalog.lookup import find_picture
    from stj_catalog.reviews import record_review, undo_review, user_name
    from stj_core.errors import UsageError
    from stj_images.likeness import thresholds_of

    chosen = [as_label is not None, reject is not None, keep, undo]
    if sum(chosen) != 1:
        raise UsageError(f"Give one of --as LABEL, --reject REASON, --keep and --undo, got {sum(chosen)} of them.")
    with opened(catalog) as (found, config):
        if as_label is not None:
            _check_label(as_label, config)
        picture = find_picture(found, _word(image))
        thresholds = thresholds_of(config)
        if undo:
            now = undo_review(found, picture.id, thresholds)
        else:
            action = "label" if as_label is not None else "keep" if keep else "reject"
            now = record_review(
                found,
                picture.id,
                action,
                label=as_label,
                reason=reject or reason or None,
                reviewer=reviewer or user_name() or "unknown",
                thresholds=thresholds,
            )
    document = {"sha256": now.sha256, "status": now.status, "label": now.label, "reason": now.reason}
    before = {"status": picture.status, "label": picture.label, "reason": picture.reason}
    if as_json:
        emit_json({**document, "before": before})
    else:
        emit(f"{now.sha256[:12]}: {_words(before)} → {_words(document)}")


def _check_label(wanted: int, config: Config) -> None:
    from stj_core.errors import UsageError
    from stj_core.labels import load_labels

    known = {one.label: one.name for one in load_labels(config.labels)}
    if wanted not in known:
        words = ", ".join(f"{number} = {name}" for number, name in known.items())
        raise UsageError(f"There is no class {wanted}: labels.toml knows {words}.")


def _word(image: str) -> str:
    """A file's name without folders and ending; anything else as it is."""
    if "://" in image:
        return image
    return image.rsplit("/", 1)[-1].split(".", 1)[0].lower()


def _words(state: Mapping[str, object]) -> str:
    reason = f" ({state['reason']})" if state["reason"] else ""
    return f"{state['status']}{reason}, label {state['label']}"
