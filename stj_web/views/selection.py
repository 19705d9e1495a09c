"""Many pictures at once: the same decision about all that were chosen, one undo for it, and forgetting, which asks first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.by_hand import SPLIT, Regrouped, tell, undo_act
from stj_catalog.decisions import newest_decisions
from stj_catalog.gallery import Tile
from stj_catalog.reviews import Decided, record_many, take_back_many
from stj_catalog.tags import Tagged, tag_pictures
from stj_core.cli import counted
from stj_core.vocabulary import TOLD, Act, Action
from stj_web import params, security
from stj_web.errors import RefusalError
from stj_web.filters import reviewer
from stj_web.forgetting import forget_pictures
from stj_web.studio import studio
from stj_web.views.review import back_to, known_label

pages = Blueprint("selection", __name__)
UNDO = "undo"
"""The category of a message that carries decisions to take back."""
UNDO_ACT = "undo act"
"""The category of a message that carries an act to take back."""
TAGGING = (Act.TAG.value, Act.UNTAG.value)
GROUPING = (*(word.value for word in TOLD), SPLIT)
"""What the bar of the chosen pictures can ask for, besides decisions."""
_STILL = "stay in one group all the same: by their product, or by a third picture that is like both."
_SAID = {
    "same": "told to be the same picture",
    "group": "put in one group",
    "apart": "told apart",
    "split": "split off from the rest of their groups",
}


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
    if not action and request.form.get("tag"):
        action = Act.TAG.value  # Enter in the tag's field
    if action in (*TAGGING, *GROUPING):
        _act_on(list(chosen), action)
        return redirect(back_to())
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


@pages.post("/selection/acts/undo")
@security.writes
def undo_act_of_many() -> Reply:
    """Take an act back, from a page."""
    given = request.form.get("act", "")
    if not given.isdecimal() or not 1 <= int(given) <= params.LARGEST:
        raise RefusalError(400, "bad_request", f"An act is a number; got {given[:20]}.")
    done = undo_act(studio().catalog, int(given), studio().thresholds)
    assert done.act is not None
    flash(f"Taken back: {done.act['action']} by {done.act['reviewer']}.{_changes(done)}")
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


def _act_on(chosen: Sequence[int], action: str) -> None:
    """Tag or group the chosen pictures as a form asks, and say what came of it.

    Raises:
        StjError: it cannot be done to one of them; then nothing is written.
    """
    here = studio()
    if action in TAGGING:
        take = action == Act.UNTAG
        tagged = tag_pictures(here.catalog, chosen, request.form.get("tag", ""), reviewer=reviewer(), take=take)
        _tell_tagged(tagged, take=take)
    else:
        told = tell(here.catalog, chosen, action, reviewer=reviewer(), thresholds=here.thresholds)
        still = f" {counted(told.still, 'pair')} of them {_STILL}" if told.still else ""
        so = "" if told.act else " It stood so already."
        flash(f"{counted(len(chosen), 'picture')} {_SAID[action]}.{so}{_changes(told)}{still}")
        _offer_undo(told.act)


def _tell_tagged(done: Tagged, *, take: bool) -> None:
    what = "no longer carry" if take else "carry"
    others = f" {done.unchanged:,} did so already." if done.unchanged else ""
    flash(f"{counted(len(done.changed), 'picture')} {what} the tag “{done.tag}” now.{others}")
    _offer_undo(done.act)


def _offer_undo(act: dict[str, Any] | None) -> None:
    if act is not None:
        flash(str(act["id"]), UNDO_ACT)


def _changes(done: Regrouped) -> str:
    """How many pictures have another status now, in words."""
    if not done.changed:
        return ""
    after = [status for _, status in done.changed.values()]
    return " " + ", ".join(f"{after.count(one)} {one}" for one in sorted(set(after))) + " now."


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
