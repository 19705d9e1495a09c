"""Review: decide about pictures one at a time or in a grid, with the keyboard, and take decisions back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as Reply

from stj_catalog.decisions import count_decided, decisions_page
from stj_catalog.gallery import Tile
from stj_catalog.reviews import record_review, take_back
from stj_web import params, security
from stj_web.errors import RefusalError, not_found
from stj_web.filters import reviewer
from stj_web.listing import list_pictures, model_hints
from stj_web.review_queues import QUEUES, Deck, deck_of, make_deck
from stj_web.studio import studio
from stj_web.tables import KINDS, download

pages = Blueprint("review", __name__)
_DECK = 48


@pages.get("/review")
def review() -> str:
    """A deck of pictures to decide about."""
    here = studio()
    queue = params.choice("queue", QUEUES, "suspects") or "suspects"
    catalog = here.catalog_or_none
    deck = Deck()
    _refuse_filters(queue)
    model = params.model()
    if catalog is not None:
        after, limit = params.whole("after"), params.limit(_DECK)
        wanted = params.pictures()
        if queue == "list":
            deck = deck_of(catalog, list_pictures(here, wanted, model, limit=limit, after=after))
        else:
            deck = make_deck(here, queue, wanted, model, after=after, limit=limit)
    view = params.choice("view", ("one", "grid"), "one")
    return render_template(
        "review.html",
        queue=queue,
        # One picture alone does not say what is wrong with its group; a grid shows the others anyway.
        families=_families(deck) if (queue, view) == ("groups", "one") else {},
        queues=QUEUES,
        deck=deck,
        view=view,
        hints=here.hints(catalog) if catalog else None,
        decided=here.remembered("decided", lambda: count_decided(catalog)) if catalog else {},
        recent=decisions_page(catalog, limit=8) if catalog else [],
        catalog=catalog is not None,
        model=model,
        **model_hints(here, model),
        back_to_list=url_for(
            "catalogue.gallery",
            **{name: value for name, value in request.args.items() if name not in ("queue", "view", "after", "limit")},  # type: ignore[arg-type]  # text
        ),
    )


def _families(deck: Deck) -> dict[int | None, list[Tile]]:
    found: dict[int | None, list[Tile]] = {}
    for card in deck.cards:
        found.setdefault(card.tile.group_id, []).append(card.tile)
    return found


def _refuse_filters(queue: str) -> None:
    """Refuse what this queue would ignore; the catalogue's list takes every filter."""
    narrowed = {"label", "reason", "text", "tag"} if queue in ("quarantine", "kept", "rejected") else set()
    for name, value in request.args.items():
        if value and queue != "list" and name not in {"queue", "view", "after", "limit"} | narrowed | params.MODEL:
            takes = "label, reason, text, tag and what a run says" if narrowed else "only what a run says"
            raise RefusalError(
                400,
                "bad_request",
                f"{name} is not understood here: {takes} narrow{'' if narrowed else 's'} the queue {queue}.",
            )


@pages.post("/review/decide")
@security.writes
def decide() -> Reply:
    """One decision from a form, for a browser without scripts."""
    here = studio()
    image_id, seen = _number("image_id"), _number("seen")
    action, _, label = request.form.get("decision", "").partition(" ")
    if label and not label.isdecimal():
        raise RefusalError(400, "bad_request", f"A label is a number; got {label[:20]}.")
    done = record_review(
        here.catalog,
        image_id,
        action,
        reviewer=reviewer(),
        seen=seen,
        thresholds=here.thresholds,
        label=known_label(int(label)) if label else None,
    )
    flash(f"Picture {image_id} is {done.status} now.")
    return _back()


@pages.post("/review/undo")
@security.writes
def undo() -> Reply:
    """Take one decision back."""
    done = take_back(studio().catalog, _number("review_id"), studio().thresholds)
    flash(f"Decision {done.review['id']} is taken back; picture {done.review['image_id']} is {done.status} now.")
    return _back()


@pages.get(f"/review/decisions.<{KINDS}>")
def download_decisions(kind: str) -> Response:
    """Every decision, those taken back too, as a file."""
    catalog = studio().catalog
    columns = ("id", "image_id", "action", "label", "reason", "reviewer", "made_at", "undone_at")

    def rows() -> Iterator[dict[str, Any]]:
        after: int | None = None
        while some := decisions_page(catalog, after=after, limit=500):
            yield from some
            after = some[-1]["id"]

    return download(kind, "decisions", columns, rows())


@pages.post("/review/name")
@security.writes
def name() -> Reply:
    """Remember the reviewer's name in this browser."""
    given = "".join(letter for letter in request.form.get("name", "") if letter.isprintable()).strip()[:60]
    session["reviewer"] = given
    return _back()


def known_label(label: int) -> int:
    """The label, if it is one of labels.toml.

    Raises:
        RefusalError: it is none.
    """
    names = studio().names
    if label not in names:
        known = ", ".join(f"{number} {word}" for number, word in sorted(names.items()))
        raise not_found(f"There is no label {label}: labels.toml knows {known}.")
    return label


def _number(field: str) -> int:
    given = request.form.get(field, "")
    if not given.isdecimal() or int(given) > params.LARGEST:
        raise RefusalError(400, "bad_request", f"{field} is a whole number; got {given[:20]}.")
    return int(given)


def back_to() -> str:
    """The page that the form was on; only places of the studio itself are taken."""
    target = request.form.get("back", "")
    plain = target.startswith(("/review", "/pictures/", "/catalogue", "/duplicates", "/datasets/", "/runs/"))
    return target if plain and "\\" not in target and "//" not in target else url_for("review.review")


def _back() -> Reply:
    return redirect(back_to())
