"""Which addresses a group of robots.txt lines disallows: RFC 9309, in time linear in the size of the group.

The longest pattern that matches decides, and of two of one length the one that allows. Lengths are those of the percent-encoded
form, in which both the patterns and the address are compared: ``%7E`` and ``~``, ``%2f`` and ``%2F``, ``é`` and ``%C3%A9`` are
each the same. A pattern is a prefix; ``*`` stands for any characters, and a ``$`` at the end for the end of the address (it may
be meant literally, too: then the pattern counts as both). As Protego has it, ``Allow: …/index.html`` allows the folder as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# An octet that needs no escape in an address. "/" and "%" mean something else when they are escaped, and stay as they are.
_PLAIN = b"A-Za-z0-9_.~=-"
_ODD_IN_ADDRESS = re.compile(rb"%[0-9A-Fa-f]{2}|[^/%" + _PLAIN + rb"]+")
_ODD_IN_PATTERN = re.compile(rb"%[0-9A-Fa-f]{2}|[^/%*" + _PLAIN + rb"]+")
_IS_PLAIN = re.compile(rb"[" + _PLAIN + rb"]")
_ROBOTS = "/robots.txt"
_INDEX = "/index.html"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that may have stars and an anchor.

    Attributes:
        parts: the literal text before, between and after its stars.
        literal: characters in `parts`; a shorter address cannot match.
        anchored: whether the last part must end the address.
    """

    parts: tuple[str, ...]
    literal: int
    anchored: bool

    @classmethod
    def of(cls, said: str) -> Pattern:
        """Read a pattern as a file has it."""
        anchored = said.endswith("$")
        return cls.encoded(_encoded(said[:-1] if anchored else said, _ODD_IN_PATTERN), anchored=anchored)

    @classmethod
    def encoded(cls, body: str, *, anchored: bool) -> Pattern:
        """Take a pattern that is percent-encoded already, and has lost its anchor."""
        parts = re.sub(r"\*+", "*", body).split("*")
        return cls(tuple(parts), sum(map(len, parts)), anchored)

    def matches(self, path: str) -> bool:
        """Whether the address is of this pattern: each part is looked for once, from where the one before it ended."""
        first, *rest = self.parts
        if self.literal > len(path) or not path.startswith(first):
            return False
        if not rest:
            return not self.anchored or path == first
        at, last = len(first), rest.pop()
        for part in rest:
            at = path.find(part, at)
            if at < 0:
                return False
            at += len(part)
        if self.anchored:
            return len(path) - len(last) >= at and path.endswith(last)
        return path.find(last, at) >= 0


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line whose pattern has stars or an anchor; `strength` is its length, and whether it allows."""

    pattern: Pattern
    strength: tuple[int, bool]
    said: str


@dataclass
class Group:
    """The rules that bind one name.

    Attributes:
        agent: the name as the file writes it.
    """

    agent: str
    _prefixes: dict[str, tuple[bool, str]] = field(default_factory=dict, repr=False)
    _lengths: tuple[int, ...] = ()
    _wildcards: tuple[_Rule, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, agent: str, rules: Iterable[tuple[bool, str]]) -> Group:
        """Build from the lines of a group.

        Args:
            agent: the name as the file writes it.
            rules: for each line whether it allows, and its value.
        """
        group = cls(agent)
        wildcards: dict[tuple[str, bool], _Rule] = {}
        for allows, said in dict.fromkeys(rules):
            for pattern in _spellings(said, allows=allows):
                if "*" in pattern or pattern.endswith("$"):
                    found = Pattern.encoded(pattern.removesuffix("$"), anchored=pattern.endswith("$"))
                    wildcards.setdefault((pattern, allows), _Rule(found, (len(pattern), allows), said))
                elif allows or pattern not in group._prefixes:
                    group._prefixes[pattern] = allows, said
        group._lengths = tuple(sorted({len(prefix) for prefix in group._prefixes}, reverse=True))
        group._wildcards = tuple(sorted(wildcards.values(), key=lambda one: one.strength, reverse=True))
        return group

    def refusal(self, path: str) -> str | None:
        """The value of the Disallow line that decides about an address, or None where it is allowed.

        Args:
            path: what `path_of` makes of the address.
        """
        strength, said = self._longest_prefix(path)
        for one in self._wildcards:
            if one.strength <= strength:
                break
            if one.pattern.matches(path):
                strength, said = one.strength, one.said
                break
        return None if strength[1] else said

    def _longest_prefix(self, path: str) -> tuple[tuple[int, bool], str]:
        for length in self._lengths:
            found = self._prefixes.get(path[:length]) if length <= len(path) else None
            if found is not None:
                allows, said = found
                return (length, allows), said
        return (0, True), ""


def path_of(url: str) -> str:
    """The path and query of an address, percent-encoded in the one way that rules are compared in.

    Raises:
        ValueError: it is no address.
    """
    url = url.partition("#")[0]
    parts = urlsplit(url)
    # A "?" with nothing after it is still part of what rules match.
    path = f"{parts.path}?{parts.query}" if "?" in url else parts.path
    path = _encoded(path, _ODD_IN_ADDRESS)
    return path if path.startswith("/") else f"/{path}"


def is_robots(url: str) -> bool:
    """Whether an address is that of the rules themselves, which is always allowed."""
    return urlsplit(url).path == _ROBOTS


def _spellings(said: str, *, allows: bool) -> list[str]:
    """The patterns that a line stands for; none for one without a value."""
    if said.startswith(("https://", "http://")):
        said = f"/{said}"  # a slip of the site's owner: it matches a path that holds this address
    body, anchor = (said[:-1], "$") if said.endswith("$") else (said, "")
    pattern = _encoded(body, _ODD_IN_PATTERN)
    found = [pattern + anchor, pattern + "%24"] if anchor else [pattern] if pattern else []
    if allows and pattern.endswith(_INDEX) and not anchor:
        found.append(pattern.removesuffix("index.html") + "$")
    return found


def _encoded(text: str, odd: re.Pattern[bytes]) -> str:
    return odd.sub(_escape, text.encode("utf-8", errors="replace")).decode("ascii")


def _escape(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if not found.startswith(b"%"):
        return b"%" + found.hex("%").upper().encode("ascii")
    octet = bytes([int(found[1:], 16)])
    return octet if _IS_PLAIN.fullmatch(octet) else found.upper()
