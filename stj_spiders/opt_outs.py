"""What a shop or a maker says about learning from its pages and pictures, and whether it binds us.

Three conventions are read. `X-Robots-Tag` on a picture's own answer: `noai`, `noimageai`, `noindex`, `noimageindex`, `none` and
an `unavailable_after` that is over, alone or for an agent's name (ours are STJ and Scrapy; what is said to others does not bind).
On a page, its header and its robots `<meta>` count for `noai`, `noimageai` and `noimageindex` alone: filtered listings often say
`noindex`, which is about search engines. And the W3C community group's TDM Reservation Protocol: `tdm-reservation: 1` in a header
or a `<meta>`, or in the host's `/.well-known/tdmrep.json`, whose first matching location counts. The nearest word counts: a meta
outweighs a header, a header the file. Where one place says both, or says it carelessly (quotes, semicolons, spaces for commas),
the word that keeps a picture from us counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapy.http import Headers

from stj_core.clock import seconds_since
from stj_core.text import one_line, shortened
from stj_spiders.identity import AGENT_NAMES
from stj_spiders.robots_rules import Pattern, path_of
from stj_spiders.shops.html import elements, read_tree

WELL_KNOWN = "/.well-known/tdmrep.json"
MOST_BYTES = 500 * 1000
PICTURE_WORDS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none", "unavailable_after"})
PAGE_WORDS = frozenset({"noai", "noimageai", "noimageindex"})
_OURS = frozenset(name.lower() for name in AGENT_NAMES)
# Directives that have a value of their own; any other word before a colon is an agent's name.
_VALUED = frozenset({"max-snippet", "max-image-preview", "max-video-preview"})
# A date holds commas and colons, which elsewhere part directives and agents.
_UNTIL = re.compile(r"\bunavailable_after\s*:\s*(?P<moment>(?:[a-z]{3,9},\s*)?[^,;]*)", re.IGNORECASE)
_AGENT = re.compile(r"\*|[a-z][a-z0-9._-]*(?:/\S*)?")
_QUOTES = "\"' \t"
# Only a page with one of these is looked through for its `<meta>` elements.
_MAY_SPEAK = tuple(word.encode() for word in (*PAGE_WORDS, "tdm-reservation"))
_METAS = elements("//meta[@content][@name or @http-equiv][not(ancestor::template)]")
_MOST_SHOWN = 200


@dataclass(frozen=True)
class Said:
    """What an answer says beside its content.

    Attributes:
        robots: values of its `X-Robots-Tag` headers.
        reservation: of its `tdm-reservation` headers, if there is one.
        policy: of its `tdm-policy` header, if there is one.
    """

    robots: tuple[str, ...] = ()
    reservation: str | None = None
    policy: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> Said:
        """Read the headers of an answer."""

        def values(name: str) -> list[str]:
            return [value.decode("latin-1").strip() for value in headers.getlist(name)]

        reservation, policy = values("tdm-reservation"), values("tdm-policy")
        return cls(
            tuple(values("X-Robots-Tag")),
            ",".join(reservation) if reservation else None,
            policy[-1] if policy else None,
        )


@dataclass(frozen=True)
class TdmFile:
    """A host's `/.well-known/tdmrep.json`: its locations in their order, each with what it says."""

    rules: tuple[tuple[Pattern, bool, str], ...] = ()

    def reservation(self, url: str) -> str | None:
        """The words by which an address is reserved, or None."""
        try:
            path = path_of(url)
        except ValueError:
            return None
        for pattern, reserved, said in self.rules:
            if pattern.matches(path):
                return said if reserved else None
        return None


def read_tdm_file(body: bytes) -> TdmFile | None:
    """Read a tdmrep.json; None where it is none. An entry that is no location is passed over."""
    try:
        document = json.loads(body[: MOST_BYTES + 1])
    except (ValueError, RecursionError):
        return None
    entries = document if isinstance(document, list) else [document]
    rules = [
        _rule({str(name).lower(): value for name, value in one.items()}) for one in entries if isinstance(one, dict)
    ]
    found = tuple(rule for rule in rules if rule is not None)
    return TdmFile(found) if found or entries == [] else None


def _rule(entry: dict[str, object]) -> tuple[Pattern, bool, str] | None:
    location, reservation = entry.get("location"), entry.get("tdm-reservation")
    if not isinstance(location, str):
        return None
    if location.startswith(("http://", "https://")):
        try:
            location = path_of(location)
        except ValueError:
            return None
    said = _with_policy(f"{WELL_KNOWN}: location {location}, tdm-reservation {reservation}", entry.get("tdm-policy"))
    rooted = location if location.startswith(("/", "*")) else f"/{location}"
    return Pattern.of(rooted), _is_one(reservation), said


def picture_opt_out(said: Said, url: str, file: TdmFile) -> str | None:
    """The words by which a picture is kept from learning, or None.

    Args:
        said: by its own answer.
        url: of the picture.
        file: of its host.
    """
    word = _word(said.robots, PICTURE_WORDS)
    if word:
        return _shown(f"X-Robots-Tag: {word}")
    if said.reservation is not None:
        return _reserved_by_header(said)
    reserved = file.reservation(url)
    return _shown(reserved) if reserved else None


def page_opt_out(said: Said, text: str, url: str, file: TdmFile) -> str | None:
    """The words by which a page keeps its pictures from learning, or None.

    Args:
        said: by its own answer.
        text: of the page.
        url: of the page.
        file: of its host.
    """
    word = _word(said.robots, PAGE_WORDS)
    if word:
        return _shown(f"the page's X-Robots-Tag: {word}")
    metas = _metas(text)
    for name, content in metas:
        if name in {"robots", *_OURS}:
            word = _word((content,), PAGE_WORDS)
            if word:
                return _shown(f'the page\'s <meta name="{name}">: {word}')
    reservations = [content for name, content in metas if name == "tdm-reservation"]
    if reservations:
        policy = next((content for name, content in metas if name == "tdm-policy"), None)
        reserved = any(map(_is_one, reservations))
        return _shown(_with_policy('the page\'s <meta name="tdm-reservation">: 1', policy)) if reserved else None
    if said.reservation is not None:
        reserved_by = _reserved_by_header(said)
        return f"the page's {reserved_by}" if reserved_by else None
    found = file.reservation(url)
    return _shown(f"for the page, {found}") if found else None


def _reserved_by_header(said: Said) -> str | None:
    return _shown(_with_policy("tdm-reservation: 1", said.policy)) if _is_one(said.reservation) else None


def _word(values: Iterable[str], words: frozenset[str]) -> str | None:
    """The first directive among `words` that is said to everybody or to us, with the name it is said to."""
    for value in values:
        for agent, name in _directives(value.lower()):
            token = agent.partition("/")[0]
            if name in words and token in {"", "*", *_OURS}:
                return f"{agent}: {name}" if agent else name
    return None


def _directives(value: str) -> Iterator[tuple[str, str]]:
    """The directives of a header or a `content` in small letters, each with the name it is said to ("" for everybody).

    An `unavailable_after` is one only once it is over.
    """
    value = _UNTIL.sub(lambda found: "unavailable_after" if _is_over(found["moment"]) else "", value)
    agent = ""
    for piece in re.split("[,;]", value):
        name, colon, rest = piece.partition(":")
        name = name.strip(_QUOTES)
        if not colon:
            rest = name
        elif name in _VALUED:
            continue
        elif _AGENT.fullmatch(name):
            # What follows is said to this one, until another is named.
            agent = name
        yield from ((agent, word.strip(_QUOTES)) for word in rest.split())


def _is_over(said: str) -> bool:
    """Whether a moment is in the past; one that nobody can read is not."""
    text = said.strip(_QUOTES)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return False
    return seconds_since(moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > 0


def _metas(text: str) -> list[tuple[str, str]]:
    """Name, in small letters, and content of every `<meta>` that a reader of the page would heed."""
    lowered = text.encode("utf-8", "replace").lower()  # a quarter of what it costs as text
    if not any(word in lowered for word in _MAY_SPEAK):
        return []
    found = []
    for meta in _METAS(read_tree(text)):
        name = (meta.get("name") or meta.get("http-equiv") or "").strip().lower()
        found.append(("robots" if name == "x-robots-tag" else name, (meta.get("content") or "").strip()))
    return found


def _is_one(value: object) -> bool:
    """Whether a reservation is made: 1, also in quotes, with parameters behind it, or beside a 0."""
    said = str(value).lower()
    return any(one.partition(";")[0].strip(_QUOTES) in {"1", "1.0", "true"} for one in said.split(","))


def _with_policy(said: str, policy: object) -> str:
    return f"{said} ({policy})" if isinstance(policy, str) and policy else said


def _shown(said: str) -> str:
    return shortened(one_line(said), _MOST_SHOWN)
