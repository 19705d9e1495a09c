"""What a shop or a maker says about learning from its pages and pictures, and whether it binds us.

Three conventions are read. `X-Robots-Tag` on a picture's own answer: `noai`, `noimageai`, `noindex`, `noimageindex` and `none`,
alone or for an agent's name (ours are STJ and Scrapy; what is said to others does not bind). On a page, its header and its robots
`<meta>` count for `noai`, `noimageai` and `noimageindex` alone: filtered listings often say `noindex`, which is about search
engines. And the W3C community group's TDM Reservation Protocol: `tdm-reservation: 1` in a header or a `<meta>`, or in the host's
`/.well-known/tdmrep.json`, whose first matching location counts. The nearest word counts: a meta outweighs a header, a header the
file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from scrapy.http import Headers

from stj_core.text import one_line, shortened
from stj_spiders.identity import AGENT_NAMES
from stj_spiders.robots_rules import Pattern, path_of

WELL_KNOWN = "/.well-known/tdmrep.json"
MOST_BYTES = 500 * 1000
PICTURE_WORDS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
PAGE_WORDS = frozenset({"noai", "noimageai", "noimageindex"})
_OURS = frozenset(name.lower() for name in AGENT_NAMES)
# Directives that have a value of their own; any other word before a colon is an agent's name.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_RAW = r"<!--.*?(?:-->|\Z)|<(?P<raw>script|style|textarea|title|noscript|template)\b.*?(?:</(?P=raw)|\Z)"
_META = re.compile(rf"{_RAW}|<meta\b(?P<meta>[^<>]{{0,2000}})>", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = re.compile(r"""\b(name|content)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_MOST_SHOWN = 200


@dataclass(frozen=True)
class Said:
    """What an answer says beside its content.

    Attributes:
        robots: values of its `X-Robots-Tag` headers.
        reservation: of its `tdm-reservation` header, if there is one.
        policy: of its `tdm-policy` header, if there is one.
    """

    robots: tuple[str, ...] = ()
    reservation: str | None = None
    policy: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> Said:
        """Read the headers of an answer; of a reservation that is given twice the last one counts."""

        def values(name: str) -> list[str]:
            return [value.decode("latin-1").strip() for value in headers.getlist(name)]

        reservation, policy = values("tdm-reservation"), values("tdm-policy")
        return cls(
            tuple(values("X-Robots-Tag")), reservation[-1] if reservation else None, policy[-1] if policy else None
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
    """Read a tdmrep.json; None where it is none."""
    try:
        document = json.loads(body[: MOST_BYTES + 1].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    entries = document if isinstance(document, list) else [document]
    if not all(isinstance(one, dict) and isinstance(one.get("location"), str) for one in entries):
        return None
    rules = []
    for one in entries:
        said = f"{WELL_KNOWN}: location {one['location']}, tdm-reservation {one.get('tdm-reservation')}"
        rules.append(
            (
                Pattern.of(one["location"]),
                _is_one(one.get("tdm-reservation")),
                _with_policy(said, one.get("tdm-policy")),
            )
        )
    return TdmFile(tuple(rules))


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
        reserved = _is_one(reservations[-1])
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
        agent = ""
        for piece in value.split(","):
            name, colon, rest = piece.partition(":")
            name = name.strip().lower()
            if colon and name not in _VALUED:
                agent, name = name, rest.strip().lower()
            # A directive holds for the name before it, until another one is named.
            if name in words and agent in {"", "*", *_OURS}:
                return f"{agent}: {name}" if agent else name
    return None


def _metas(text: str) -> list[tuple[str, str]]:
    """Name, in small letters, and content of every `<meta>` that a reader of the page would heed."""
    found = []
    for match in _META.finditer(text):
        given = {
            one[1].lower(): next((value for value in one.groups()[1:] if value is not None), "")
            for one in _ATTRIBUTE.finditer(match["meta"] or "")
        }
        if "name" in given and "content" in given:
            found.append((given["name"].strip().lower(), given["content"].strip()))
    return found


def _is_one(value: object) -> bool:
    return value is True or str(value).strip() in {"1", "1.0"}


def _with_policy(said: str, policy: object) -> str:
    return f"{said} ({policy})" if isinstance(policy, str) and policy else said


def _shown(said: str) -> str:
    return shortened(one_line(said), _MOST_SHOWN)
