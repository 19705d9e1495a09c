"""`stj-dataset why`: what became of a picture, a product or an address, and why it is or is not in a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_core.errors import UsageError
from stj_core.text import shortened
from stj_dataset.cli.common import CatalogOption, opened

if TYPE_CHECKING:
    from stj_catalog.provenance import Trace, Whole

_MOST = 60
# A file of the image store or of a dataset is called by its picture's sha256.
_FILE = re.compile(r"(?:.*[/\\])?(?P<checksum>[0-9a-f]{6,64})\.\w+", re.DOTALL | re.IGNORECASE)


def why(
    *,
    word: Annotated[
        str,
        typer.Argument(
            metavar="ASIN|URL|SHA256|TITLE",
            help="A product's number, a picture's or a product's address, a sha256 (six digits or more) or a file called so, "
            "or a part of a title.",
            show_default=False,
        ),
    ],
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what became of a picture, and why it is or is not in a dataset.

    Nothing is dropped without a row and a reason. Exit code 1 when nothing of this name was ever seen.
    """
    from stj_catalog.provenance import trace, whole_picture
    from stj_core.labels import load_labels

    if not word.strip():
        raise UsageError("Give a product's number, an address, a sha256 or a part of a title; got nothing.")
    word = _named(word)
    with opened(catalog) as (found, config):
        classes = {one.label: one.name for one in load_labels(config.labels)}
        answer = trace(found, word, most=_MOST)
        wholes = [whole_picture(found, tile.id) for tile in answer.pictures]
    stories = [
        _story(whole, tile.title, tile.asin) for tile, whole in zip(answer.pictures, wholes, strict=True) if whole
    ]
    seen = bool(stories or answer.bare or answer.page)
    if as_json:
        emit_json(_document(answer, stories))
    else:
        for line in _lines(answer, stories, classes):
            emit(line)
    if not seen:
        kind = {"asin": "ASIN", "row": "number"}.get(answer.kind, answer.kind)
        word = shortened(answer.word, 200)
        say(
            f"It was never seen: no crawl or import met the {kind} {word!r}; it was on no page that was read, or the crawl ended "
            "before it."
        )
        raise typer.Exit(1)
    if len(answer.pictures) == _MOST:
        say(f"These are the first {_MOST} pictures; a longer word finds fewer.")


def _named(word: str) -> str:
    """What was asked for; of a file's name its checksum."""
    file = None if "://" in word else _FILE.fullmatch(word)
    return file["checksum"].lower() if file else word


def _story(whole: Whole, title: str | None, asin: str | None) -> dict[str, Any]:
    """One picture as the JSON answer tells it; nothing but that it was forgotten, if it was."""
    from stj_catalog.decisions import said
    from stj_core.vocabulary import Reason, Status, Withheld, sentence_of, why

    row = whole.row
    story = {
        "picture": row["id"],
        "sha256": row["sha256"],
        "status": row["status"],
        "why": why(row["status"], row["reason"]),
    }
    if row["status"] == Status.FORGOTTEN or row["reason"] == Reason.FORGOTTEN_COPY:
        return {**story, "sha256": None}
    return {
        **story,
        "label": row["label"],
        "reason": row["reason"],
        "title": title,
        "asin": asin,
        "image_url": row["url"],
        "sighted": whole.sighted,
        "duplicate_of": row["duplicate_of"],
        "group": 1 + len(whole.group),
        "decisions": [
            {"said": said(one), "reviewer": one["reviewer"], "made_at": one["made_at"], "undone_at": one["undone_at"]}
            for one in whole.reviews
        ],
        "tags": list(whole.tags),
        "told": [{"picture": tile.id, "word": word} for tile, word in whole.told],
        "exports": [
            {
                "out": one["out"],
                "made_at": one["made_at"],
                "digest": one["digest"],
                "split": one["split"],
                "label": one["label"],
                "file": one["file"],
                "withheld": sentence_of(Withheld, one["reason"]) if one["split"] is None else None,
            }
            for one in whole.exports
        ],
    }


def _document(answer: Trace, stories: list[dict[str, Any]]) -> dict[str, Any]:
    from stj_core.vocabulary import Status, why

    cards = [
        {
            **{
                name: one[name]
                for name in ("title", "asin", "page_url", "page_number", "position", "crawl_id", "reason")
            },
            "why": why(Status.REJECTED, one["reason"]),
        }
        for one in answer.bare
    ]
    page = answer.page and {
        name: answer.page[name] for name in ("url", "kind", "number", "state", "verdict", "cards", "crawl_id")
    }
    return {"word": answer.word, "kind": answer.kind, "pictures": stories, "cards": cards, "page": page}


def _lines(answer: Trace, stories: list[dict[str, Any]], classes: Mapping[int, str]) -> Iterator[str]:
    from stj_core.text import one_line
    from stj_core.vocabulary import Status, why

    for one in stories:
        yield from _picture_lines(one, classes)
    for card in answer.bare:
        where = f"page {card['page_number']}" if card["page_kind"] == "listing" else "a product's page"
        yield f"A card of {where}, crawl {card['crawl_id']}: {one_line(card['title'] or 'no title')}"
        yield f"  {why(Status.REJECTED, card['reason'])}"
    if answer.page:
        page = answer.page
        cards = "" if page["cards"] is None else f", {counted(page['cards'], 'card')}"
        yield f"A {page['kind']} page of crawl {page['crawl_id']}: {page['state']}{cards}, {one_line(page['url'])}"


def _picture_lines(one: Mapping[str, Any], classes: Mapping[int, str]) -> Iterator[str]:
    from stj_core.text import one_line

    if one["sha256"] is None and "title" not in one:
        yield f"Picture {one['picture']}: forgotten"
        yield f"  {one['why']}"
        return
    name = "no class" if one["label"] is None else f"class {one['label']} {classes.get(one['label'], '')}".rstrip()
    known = (one["sha256"] or "no bytes")[:12]
    yield f"{known}  {one['status']}, {name}  {one_line(one['title'] or 'no title')}" + (
        f"  {one['asin']}" if one["asin"] else ""
    )
    yield f"  {one['why']}"
    if one["duplicate_of"]:
        yield f"  Kept instead: picture {one['duplicate_of']} (stj-dataset why {one['duplicate_of']})."
    for decision in one["decisions"]:
        undone = f", taken back {decision['undone_at']}" if decision["undone_at"] else ""
        yield f"  Decided by {one_line(decision['reviewer'])} at {decision['made_at']}: {one_line(decision['said'])}{undone}."
    if one["tags"]:
        yield f"  Tagged {one_line(', '.join(one['tags']))}."
    for told in one["told"]:
        yield f"  A person says {told['word']} of it and picture {told['picture']}."
    for export in one["exports"]:
        what = (
            f"withheld: {export['withheld']}" if export["split"] is None else f"in {export['split']}, {export['file']}"
        )
        yield f"  Export to {one_line(export['out'])} at {export['made_at']}: {what}."
    if not one["exports"]:
        yield "  No export held or withheld it so far."
