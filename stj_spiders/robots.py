"""What a host's robots.txt allows, failing closed: what cannot be read allows nothing, and a refusal names its rule.

404 and 410 mean that there are no rules. Any other answer than a text file of at most 500 KB means "not now": 401, 403, 429, 5xx,
an HTML page, bytes that are no text. A group for STJ or for Scrapy binds; where there is none, the one for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from protego import Protego

from stj_spiders.identity import AGENT_NAMES

MOST_BYTES = 500 * 1000
_NO_RULES = (404, 410)
# Protego forgives these spellings, so we must see them too.
_USER_AGENT = ("user-agent", "user agent", "useragent")


class Rules:
    """One host's robots.txt, or the reason why it allows nothing."""

    def __init__(self, text: str, closed: str | None = None) -> None:
        """Read the rules.

        Args:
            text: of the file.
            closed: why nothing is allowed now; None when the file could be read.
        """
        self.closed = closed
        self.read_at = time.monotonic()
        self._groups = list(_groups(text))
        self._rules = Protego.parse(text)
        agents = {agent.lower() for agent, _ in self._groups}
        named = [name for name in AGENT_NAMES if name.lower() in agents]
        self.names = tuple(named) or AGENT_NAMES[:1]

    def refusal(self, url: str) -> str | None:
        """Why `url` may not be fetched, quoting the rule, or None when it may."""
        if self.closed:
            return self.closed
        for name in self.names:
            if not self._rules.can_fetch(url, name):
                agent, rule = self._quote(url, name)
                return f'its robots.txt says "User-agent: {agent}" "{rule}"'
        return None

    def delay(self) -> float:
        """The longest Crawl-delay asked of any name we go by, in seconds."""
        return max(self._rules.crawl_delay(name) or 0.0 for name in self.names)

    def _quote(self, url: str, name: str) -> tuple[str, str]:
        """The longest Disallow line that alone would refuse `url`, of the group that binds `name`."""
        own = [pair for pair in self._groups if pair[0].lower() == name.lower()]
        binding = own or [pair for pair in self._groups if pair[0] == "*"]
        refusing = [
            (agent, rule)
            for agent, rule in binding
            if rule and not Protego.parse(f"User-agent: *\n{rule}").can_fetch(url, name)
        ]
        return max(refusing, key=lambda pair: len(pair[1]), default=(name, "Disallow"))


def read_rules(status: int, body: bytes, content_type: bytes = b"") -> Rules:
    """What an answer to /robots.txt allows."""
    if status in _NO_RULES:
        return Rules("")
    if status != 200:
        return Rules("", closed=f"its robots.txt answers {status}")
    if len(body) > MOST_BYTES:
        return Rules("", closed=f"its robots.txt has {len(body)} bytes, over {MOST_BYTES}")
    text = body.decode("utf-8-sig", errors="replace").lstrip()
    if b"html" in content_type.lower() or text.startswith("<"):
        return Rules("", closed="its robots.txt is an HTML page")
    if "\0" in text:
        return Rules("", closed="its robots.txt is no text")
    return Rules(text)


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Each agent with each Disallow line of its group; an agent whose group has none comes with an empty line."""
    agents: list[str] = []
    in_rules = False
    for raw in text.splitlines():
        field, _, value = raw.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if field in _USER_AGENT and value:
            value = value if value == "*" else value.replace("*", "")
            agents = [value] if in_rules else [*agents, value]
            in_rules = False
            yield value, ""
        elif field in {"allow", "disallow", "crawl-delay"}:
            in_rules = True
            if field == "disallow" and value:
                yield from ((agent, f"Disallow: {value}") for agent in agents)
