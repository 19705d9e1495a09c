"""What a host's robots.txt allows, failing closed: what cannot be read allows nothing, and a refusal names its rule.

404 and 410 mean that there are no rules. Any other answer than a rule file of at most 500 KB means "not now": 401, 403, 429, 5xx,
a page for people, bytes that are no text. Whether it is a rule file shows in its content, whatever type it is sent as. A group
for STJ or for Scrapy binds; where there is none, the one for everybody. Time and memory are linear in the size of the file.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from stj_core.text import inert, shortened
from stj_spiders.identity import AGENT_NAMES
from stj_spiders.robots_rules import Group, is_robots, path_of

MOST_BYTES = 500 * 1000
_NO_RULES = (404, 410)
EVERYBODY = "*"
_NAMES = (EVERYBODY, *(name.lower() for name in AGENT_NAMES))
_QUOTED = 200  # characters of a rule in a sentence

# Spellings that real files have, and that Protego forgives too.
_USER_AGENT = frozenset({"user-agent", "useragent", "user agent"})
_DISALLOW = frozenset({"disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"})
_ALLOW = frozenset({"allow"})
_DELAY = frozenset({"crawl-delay", "crawl delay"})
# They hold for the whole site, wherever they stand, and end no group.
_SITE = frozenset({"sitemap", "sitemaps", "site-map", "host"})
_RATE = frozenset({"request-rate", "request rate"})
_OTHER = frozenset({"visit-time", "visit time"})
_FIELDS = _USER_AGENT | _DISALLOW | _ALLOW | _DELAY | _RATE | _SITE | _OTHER
# So many requests in so long a time, perhaps at some hours of the day: 1/5, 1/10s, 30/1m, 1/1h 0800-1300.
_REQUESTS = re.compile(r"(?P<number>\d{1,9})\s*/\s*(?P<time>\d{1,9})\s*(?P<unit>[smhd]?)\b", re.IGNORECASE)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FIELD = re.compile(r"[a-z][a-z -]{0,40}")
_SHORTEST = min(map(len, _FIELDS))
_TOKEN = re.compile(r"[a-z0-9_-]*")
_MARKUP = re.compile(r"<(?:!doctype|html|head|body|script|style|title|div|p|h1|meta)\b", re.IGNORECASE)


class Closed(StrEnum):
    """Why a robots.txt allows nothing now."""

    FORBIDDEN = "forbidden"
    TURNED_AWAY = "turned_away"
    OUTAGE = "outage"
    UNREADABLE = "unreadable"


@dataclass
class _Said:
    """What the lines that bind one name say."""

    agent: str = ""
    rules: list[tuple[bool, str]] = field(default_factory=list)
    delays: list[str] = field(default_factory=list)


class Rules:
    """One host's robots.txt, or the reason why it allows nothing."""

    def __init__(self, text: str, closed: str | None = None, kind: Closed = Closed.UNREADABLE) -> None:
        """Read the rules.

        Args:
            text: of the file.
            closed: why nothing is allowed now; None when the file could be read.
            kind: of such a reason.
        """
        self.closed = closed
        self.kind = kind
        self.read_at = time.monotonic()
        found = _read(text)
        named = [name for name in _NAMES[1:] if name in found]
        binding = [found[name] for name in (named or [EVERYBODY]) if name in found]
        # A group that names both of ours is read once.
        distinct = binding[:1] + [one for one in binding[1:] if one.rules != binding[0].rules]
        self._groups = [Group.of(one.agent, one.rules) for one in distinct]
        self._delays = [delay for one in binding for delay in one.delays]
        self.wait = self.delay()

    def refusal(self, url: str) -> str | None:
        """Why `url` may not be fetched, quoting the rule, or None when it may."""
        if self.closed:
            return self.closed
        try:
            path = path_of(url)
        except ValueError:
            return "the address cannot be read"
        if is_robots(url):
            return None
        for group in self._groups:
            rule = group.refusal(path)
            if rule is not None:
                quoted = inert(shortened(rule, _QUOTED))
                return (
                    f'its robots.txt says "User-agent: {inert(shortened(group.agent, _QUOTED))}" "Disallow: {quoted}"'
                )
        return None

    def delay(self) -> float:
        """The longest Crawl-delay asked of any name we go by, in seconds; infinite for what no number holds."""
        return max((seconds for text in self._delays if (seconds := delay_seconds(text)) is not None), default=0.0)

    def unread_delays(self) -> list[str]:
        """The Crawl-delay lines that bind us and are no length of time, as the file has them."""
        return [inert(shortened(text, 40)) for text in dict.fromkeys(self._delays) if delay_seconds(text) is None]


def delay_seconds(text: str) -> float | None:
    """The seconds of a Crawl-delay, or None where it is no length of time: words, a negative number, not a number."""
    try:
        seconds = float(text[:400])
    except ValueError:
        return None
    return None if math.isnan(seconds) or seconds < 0 else seconds


def read_rules(status: int, body: bytes, _content_type: bytes = b"") -> Rules:
    """What an answer to /robots.txt allows; its type decides nothing: real rules are sent as HTML, and pages as text."""
    if status in _NO_RULES:
        return Rules("")
    if status != 200:
        return Rules("", f"its robots.txt answers {status}", _kind(status))
    if len(body) > MOST_BYTES:
        return Rules("", f"its robots.txt has {len(body)} bytes, over {MOST_BYTES}")
    text = body.decode("utf-8-sig", errors="replace").lstrip("\ufeff \t\r\n")
    if "\0" in text:
        return Rules("", "its robots.txt is no text")
    if _is_page(text):
        return Rules("", "its robots.txt is an HTML page")
    if any(_lines(text)) and not any(_directives(text)):
        return Rules("", f"its robots.txt holds no rule: it begins {inert(shortened(text, 40))!r}")
    return Rules(text)


def _kind(status: int) -> Closed:
    if status == 429:
        return Closed.TURNED_AWAY
    return Closed.OUTAGE if status >= 500 else Closed.FORBIDDEN


def _is_page(text: str) -> bool:
    """Whether this is markup: it begins with a tag, or a tag comes before the first line that names an agent."""
    if text.startswith("<"):
        return True
    for line in _lines(text):
        if _MARKUP.search(line):
            return True
        found = _directive(line)
        if found and found[0] in _USER_AGENT:
            return False
    return False


def _read(text: str) -> dict[str, _Said]:
    """What binds everybody and each of our names; names that have no group are not there."""
    found: defaultdict[str, _Said] = defaultdict(_Said)
    names: list[str] = []
    in_rules = False
    for name, value in _directives(text):
        if name in _USER_AGENT:
            if in_rules:
                names, in_rules = [], False
            names += [ours for ours in _bound(value) if ours not in names]
            for ours in _bound(value):
                found[ours].agent = found[ours].agent or value
        elif name not in _SITE:
            in_rules = True
            _add([found[ours] for ours in names], name, value)
    return dict(found)


def _add(bound: Iterable[_Said], name: str, value: str) -> None:
    if not value:
        return
    for said in bound:
        if name in _DISALLOW or name in _ALLOW:
            said.rules.append((name in _ALLOW, value))
        elif name in _DELAY:
            said.delays.append(value)
        elif name in _RATE:
            said.delays.append(_gap(value))


def _gap(rate: str) -> str:
    """A Request-rate as the Crawl-delay that says the same; as it stands where it is none."""
    found = _REQUESTS.match(rate)
    if found is None or not int(found["number"]):
        return rate
    return f"{int(found['time']) * _UNIT_SECONDS[found['unit'].lower()] / int(found['number']):g}"


def _bound(agent: str) -> list[str]:
    """Which of everybody and our names a User-agent line speaks of: `Scrapy`, `scrapy/2.11` and `Scrapy*` are one."""
    if agent.strip("*") == "":
        return [EVERYBODY] if agent else []
    token = _TOKEN.match(agent.replace("*", "").strip().lower())
    return [token[0]] if token and token[0] in _NAMES else []


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """The lines that are a field and a value; the field in lower case."""
    return filter(None, map(_directive, _lines(text)))


def _lines(text: str) -> Iterator[str]:
    """The lines that say something, without their comments."""
    return filter(None, (raw.partition("#")[0].strip() for raw in text.splitlines()))


def _directive(line: str) -> tuple[str, str] | None:
    """The field, in lower case, and the value of a line; `User-agent foo` without a colon is one too, as Protego has it."""
    name, colon, value = line.partition(":")
    if len(line) < _SHORTEST and not colon:
        return None
    name = name.strip().lower()
    if colon and (name in _FIELDS or (_FIELD.fullmatch(name) and (not value or value[0].isspace()))):
        return name, value.strip()
    for words in (1, 2):
        pieces = line.split(None, words)
        name = " ".join(pieces[:words]).lower()
        if name in _FIELDS:
            return name, " ".join(pieces[words:])
    return None
