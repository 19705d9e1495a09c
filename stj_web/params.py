"""What a request asks for, read once and refused where it cannot be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import request

from stj_catalog.gallery import Filter
from stj_catalog.tags import LONGEST_TAG
from stj_core.vocabulary import SPLITS, Status
from stj_web.errors import RefusalError
from stj_web.predictions import JUDGED, SORTS, ModelFilter

ID = "int(min=1, max=2147483647)"
"""A row's number in a route: what every database can hold."""
LARGEST = 2**31 - 1
NO_CLASS = "none"
"""What the class of pictures of none of the classes is called in an address."""
MOST_AT_ONCE = 200
"""Pictures that one request decides about."""
_FILTERS = frozenset({"status", "label", "reason", "crawl", "source", "text", "group", "tag"})
MODEL = frozenset(
    {"run", "judged", "answer", "guess", "true", "right", "split", "shop", "sure_from", "sure_to", "sort"}
)
"""What every list of pictures takes: what a run must say of them, and its order."""
_PAGE = frozenset({"after", "limit"})
TAKES: dict[str, frozenset[str]] = {
    "static": frozenset(),
    "catalogue.gallery": _FILTERS | MODEL | _PAGE | {"before"},
    "catalogue.download_pictures": _FILTERS | MODEL,
    "catalogue.thumbnail": frozenset({"v"}),
    "catalogue.duplicates": MODEL | _PAGE,
    "catalogue.download_duplicates": MODEL,
    "catalogue.why": frozenset({"q"}),
    "review.review": _FILTERS | MODEL | _PAGE | {"queue", "view"},
    "maps.show": frozenset({"by", "colour"}),
    "maps.points": frozenset({"by"}),
    "maps.tiles": frozenset({"pictures"}),
    "maps.neighbours": _PAGE,
    "maps.like": frozenset({"by"}),
    "selection.ask_to_forget": frozenset({"pictures"}),
    "datasets.dataset": _PAGE | {"split", "label"},
    "datasets.download_dataset": frozenset({"split", "label"}),
    "runs.compare": frozenset({"run", "split"}),
    "crawls.crawls": _PAGE,
    "api.images": _FILTERS | MODEL | _PAGE,
    "api.image_sightings": _PAGE,
    "api.sightings": _PAGE | {"image", "crawl"},
    "api.trace_word": frozenset({"q"}),
    "api.reviews": _PAGE | {"image"},
    "api.crawls": _PAGE,
    "by_hand.acts": _PAGE | {"image"},
}
"""What each address understands after its question mark; one that is not listed understands nothing."""
_REPEATED = frozenset({("runs.compare", "run")})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"[0-9]{1,10}")
_SHARE = re.compile(r"[0-9]{1,20}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,4})?")


def check_understood() -> None:
    """Refuse a query that would be ignored in part: an answer to another question looks like the answer to this one.

    Raises:
        RefusalError: a parameter is unknown here, or given twice.
    """
    if request.endpoint is None:
        return
    known = TAKES.get(request.endpoint, frozenset())
    for name, values in request.args.lists():
        if name not in known:
            listed = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise RefusalError(400, "bad_request", f"This address has no parameter {name[:60]!r}: {listed}.")
        if len(values) > 1 and (request.endpoint, name) not in _REPEATED:
            raise RefusalError(400, "bad_request", f"{name} is given {len(values)} times: once is understood.")


def whole(name: str, default: int | None = None, *, low: int = 0, high: int = LARGEST) -> int | None:
    """A whole number from the query.

    Raises:
        RefusalError: it is none, or out of bounds.
    """
    given = request.args.get(name, "")
    # A form sends its empty fields too; a program that sends an empty number has made a mistake.
    if given == "" and not (name in request.args and request.path.startswith("/api/")):
        return default
    if not _DIGITS.fullmatch(given) or not low <= int(given) <= high:
        raise _bad(name, f"a whole number from {low} to {high}", given)
    return int(given)


def limit(default: int = 60, most: int = 200) -> int:
    """How many things a page shows."""
    return whole("limit", default, low=1, high=most) or default


def choice(name: str, words: tuple[str, ...], default: str | None = None) -> str | None:
    """One of some words from the query.

    Raises:
        RefusalError: it is another one.
    """
    given = request.args.get(name, "")
    if given == "":
        return default
    if given not in words:
        raise _bad(name, f"one of {', '.join(words)}", given)
    return given


def line(name: str, most: int = 200) -> str | None:
    """A line of text from the query, without what cannot be typed.

    Raises:
        RefusalError: it is longer than that.
    """
    given = request.args.get(name, "")
    if len(given) > most:
        raise _bad(name, f"{most} characters at most", f"{given[:20]}… ({len(given)})")
    return _CONTROL.sub(" ", given).strip() or None


def places() -> tuple[int | None, int | None]:
    """Where a page begins: behind a row, or before one.

    Raises:
        RefusalError: both are asked for.
    """
    after, before = whole("after"), whole("before")
    if after is not None and before is not None:
        raise RefusalError(
            400, "bad_request", "A page begins after a row or before one: give after or before, not both."
        )
    return after, before


def pictures() -> Filter:
    """Which pictures the address bar asks for."""
    of_no_class = request.args.get("label") == NO_CLASS
    return Filter(
        status=choice("status", tuple(status.value for status in Status)),
        label=None if of_no_class else whole("label", high=1_000_000),
        of_no_class=of_no_class,
        reason=line("reason", 100),
        crawl=whole("crawl"),
        source=line("source"),
        text=line("text"),
        group=whole("group"),
        tag=line("tag", LONGEST_TAG),
    )


def model() -> ModelFilter:
    """What a run must say of the pictures that the address bar asks for."""
    right = choice("right", ("yes", "no"))
    return ModelFilter(
        run=line("run", 255),
        judged=choice("judged", JUDGED),
        answer=line("answer", 100),
        guess=whole("guess", high=1_000_000),
        true=whole("true", high=1_000_000),
        right=None if right is None else right == "yes",
        split=choice("split", SPLITS),
        shop=line("shop"),
        sure_from=share("sure_from"),
        sure_to=share("sure_to"),
        sort=choice("sort", SORTS),
    )


def share(name: str) -> float | None:
    """A number from 0 to 1 from the query.

    Raises:
        RefusalError: it is none.
    """
    given = request.args.get(name, "")
    if given == "" and not (name in request.args and request.path.startswith("/api/")):
        return None
    if not _SHARE.fullmatch(given) or not 0 <= float(given) <= 1:
        raise _bad(name, "a number from 0 to 1", given)
    return float(given)


def body() -> Mapping[str, Any]:
    """The JSON object that was sent.

    Raises:
        RefusalError: it is none.
    """
    if not request.is_json:
        raise RefusalError(415, "unsupported_media_type", "Send a JSON object with Content-Type: application/json.")
    try:
        found = request.get_json()
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise RefusalError(400, "bad_request", "Send a JSON object.")
    return found


def number(found: Mapping[str, Any], name: str, *, low: int = 0) -> int | None:
    """A whole number of a JSON object, or None where it is missing or null.

    Raises:
        RefusalError: it is something else, or out of bounds.
    """
    value = found.get(name)
    if value is None:
        return None
    # 3.0 is a whole number in JSON.
    integral = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not integral or isinstance(value, bool) or not low <= value <= LARGEST:
        raise _bad(name, f"a whole number from {low} to {LARGEST}", repr(value))
    return int(value)


def numbers(found: Mapping[str, Any], name: str, most: int = MOST_AT_ONCE) -> list[int]:
    """A list of rows of a JSON object.

    Raises:
        RefusalError: it is something else, empty, or too long.
    """
    given = found.get(name)
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise _bad(name, f"a list of 1 to {most} whole numbers", repr(given))
    return [_needed({name: one}, name) for one in given]


def pictures_seen(found: Mapping[str, Any], most: int = MOST_AT_ONCE) -> dict[int, int]:
    """The pictures of a JSON object, each with the newest standing decision that its sender saw.

    Raises:
        RefusalError: they are something else, too many, or one is named twice.
    """
    given = found.get("pictures")
    if not isinstance(given, list) or not 1 <= len(given) <= most or not all(isinstance(one, dict) for one in given):
        raise _bad("pictures", f"a list of 1 to {most} objects with image_id and seen", repr(given))
    pairs = [(_needed(one, "image_id"), number(one, "seen") or 0) for one in given]
    if len(dict(pairs)) < len(pairs):
        raise RefusalError(400, "bad_request", "pictures names one picture twice: name each once.")
    return dict(pairs)


def _needed(found: Mapping[str, Any], name: str) -> int:
    value = number(found, name, low=1)
    if value is None:
        raise RefusalError(400, "bad_request", f"{name} is missing: it is a whole number from 1.")
    return value


def words(found: Mapping[str, Any], name: str, most: int = 200) -> str | None:
    """A line of text of a JSON object, or None where it is missing, null or empty.

    Raises:
        RefusalError: it is something else.
    """
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _bad(name, "a text", repr(value))
    # Half of a surrogate pair is valid JSON and can be stored by no database.
    readable = value.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub(" ", readable).strip()[:most] or None


def _bad(name: str, wanted: str, given: str) -> RefusalError:
    return RefusalError(400, "bad_request", f"{name} is {wanted}; got {given[:60]}.")
