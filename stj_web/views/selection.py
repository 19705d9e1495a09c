"""Many pictures at once: the same decision about all that were chosen, one undo for it, and forgetting, which asks first."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.decisions import newest_decisions
from stj_catalog.gallery import Tile
from stj_catalog.reviews import Decided, record_many, take_back_many
from stj_core.cli import counted
from stj_core.vocabulary import Action
from stj_web import params, security
from stj_web.errors import RefusalError
from stj_web.filters import reviewer
from stj_web.forgetting import forget_pictures
from stj_web.studio import studio
from stj_web.views.review import back_to, known_label

pages = Blueprint("selection", __name__)
UNDO = "undo"
"""The category of a message that carries decisions to take back."""


def seen_decisions(tiles: Sequence[Tile]) -> dict[int, int]:
    """The newest standing decision about each of some pictures; 0 for none."""
    standing = newest_decisions(studio().catalog, [tile.id for tile in tiles])
    return {tile.id: standing[tile.id]["id"] if tile.id in standing else 0 for tile in tiles}


def decide_many(
    seen: dict[int, int], action: str, label: int | None, *, by: str | None = None, reason: str | None = None
) -> list[Decided]:
    """Record one decision about many pictures, in the reviewer's name.

    Raises:
        StjError: it is no decision, or cannot be made about one of them; then none is written.
    """
    here = studio()
    return record_many(
        here.catalog, seen, action, reviewer=by or reviewer(), thresholds=here.thresholds, label=label, reason=reason
    )


@pages.post("/selection/decide")
@security.writes
def decide() -> Reply:
    """One decision about the chosen pictures."""
    chosen = _chosen()
    action, _, label = request.form.get("decision", "").partition(" ")
    if action == "forget":
        return redirect(url_for("selection.ask_to_forget", pictures=",".join(str(one) for one in chosen)))
    if label and not label.isdecimal():
        raise RefusalError(400, "bad_request", f"A label is a number; got {label[:20]}.")
    number = known_label(int(label)) if label else None
    done = decide_many(chosen, action, number)
    words = {Action.KEEP.value: "keep as it is", Action.NONE.value: "none of the classes"}
    said = studio().names[number] if number is not None else words.get(action, action)
    flash(f"{counted(len(done), 'picture')}: {said}.", "message")
    flash(",".join(str(one.review["id"]) for one in done), UNDO)
    return redirect(back_to())


@pages.post("/selection/undo")
@security.writes
def undo() -> Reply:
    """Take back what was decided about many at once."""
    given = request.form.get("reviews", "").split(",")
    if not all(one.isdecimal() and int(one) <= params.LARGEST for one in given) or len(given) > params.MOST_AT_ONCE:
        raise RefusalError(400, "bad_request", "The decisions to take back are a list of numbers with commas.")
    done = take_back_many(studio().catalog, [int(one) for one in given], studio().thresholds)
    flash(f"Taken back: {counted(len(done), 'decision')}.")
    return redirect(back_to())


@pages.get("/selection/forget")
def ask_to_forget() -> str:
    """What forgetting the chosen pictures would delete, and what would hold them still."""
    ids = chosen_ids(params.line("pictures", 4_000) or "")
    return render_template("forget_many.html", ids=ids, plan=forget_pictures(studio(), ids, dry_run=True), done=None)


@pages.post("/selection/forget")
@security.writes
def forget() -> str:
    """Forget the chosen pictures with all their duplicates, once their number was typed."""
    ids = chosen_ids(request.form.get("pictures", ""))
    if request.form.get("sure", "").strip() != str(len(ids)):
        raise RefusalError(
            400, "not_sure", f"Nothing was forgotten: to be sure, type how many pictures were chosen, {len(ids)}."
        )
    return render_template("forget_many.html", ids=ids, plan=None, done=forget_pictures(studio(), ids))


def _chosen() -> dict[int, int]:
    """The pictures that were ticked, each with the newest standing decision that its page showed."""
    found: dict[int, int] = {}
    for one in request.form.getlist("pick"):
        row, _, seen = one.partition(":")
        if not (row.isdecimal() and seen.isdecimal() and max(int(row), int(seen)) <= params.LARGEST):
            raise RefusalError(400, "bad_request", f"A chosen picture is its number and a decision's; got {one[:40]}.")
        found[int(row)] = int(seen)
    if not 1 <= len(found) <= params.MOST_AT_ONCE:
        raise RefusalError(
            400,
            "bad_request",
            f"{len(found)} pictures are chosen: tick one at least and {params.MOST_AT_ONCE} at most.",
        )
    return found


def chosen_ids(text: str) -> list[int]:
    """The rows of an address or a form.

    Raises:
        RefusalError: they are none, or too many.
    """
    given = text.split(",")
    if (
        not all(one.isdecimal() and 1 <= int(one) <= params.LARGEST for one in given)
        or len(given) > params.MOST_AT_ONCE
    ):
        raise RefusalError(400, "bad_request", "pictures is a list of the catalogue's numbers with commas.")
    return sorted({int(one) for one in given})
