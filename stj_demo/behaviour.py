"""How the shop behaves towards a crawler: politely by default, and in every bad way that real shops know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Block(StrEnum):
    """What a visitor gets instead of the page that was asked for."""

    NONE = "none"
    ROBOT_CHECK = "robot_check"
    INTERSTITIAL = "interstitial"
    CHALLENGE = "challenge"
    UNAVAILABLE = "unavailable"
    TOO_MANY = "too_many"
    SIGN_IN = "sign_in"
    SIGN_IN_REDIRECT = "sign_in_redirect"
    EMPTY = "empty"


class Robots(StrEnum):
    """What `/robots.txt` answers."""

    ALLOW = "allow"
    DENY = "deny"
    DENY_SCRAPY = "deny_scrapy"
    DENY_PICTURES = "deny_pictures"
    MISSING = "missing"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    HUGE = "huge"
    LOOP = "loop"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Behaviour:
    """One manner of answering; the default is a shop that serves everything at once.

    Attributes:
        robots: what `/robots.txt` answers.
        robots_text: rules to serve word for word, instead of `robots`.
        crawl_delay_s: a `Crawl-delay` line in the rules of `robots`.
        block: what listing pages turn into.
        block_from_page: the first listing page that is blocked.
        block_first: how many requests are blocked before the shop relents; 0 means that it never does.
        block_details: detail pages are blocked too.
        gone_details: detail pages answer 404: nothing is sold there any more.
        retry_after: the `Retry-After` header of a block: seconds or an HTTP date.
        script_made: listing pages are shells, and a script fetches the cards.
        lazy_images: cards beyond the third carry `data-src` until they are scrolled into view.
        page_delay_s: wait before every page.
        picture_delay_s: wait before every picture.
        picture_status: a status other than 200 refuses every picture.
        break_every: every n-th picture request ends in the middle of the body; 0 means none.
        hang_s: how long `Robots.TIMEOUT` holds the line.
    """

    robots: Robots = Robots.ALLOW
    robots_text: str | None = None
    crawl_delay_s: float | None = None
    block: Block = Block.NONE
    block_from_page: int = 1
    block_first: int = 0
    block_details: bool = False
    gone_details: bool = False
    retry_after: str | None = None
    script_made: bool = False
    lazy_images: bool = False
    page_delay_s: float = 0.0
    picture_delay_s: float = 0.0
    picture_status: int = 200
    break_every: int = 0
    hang_s: float = 60.0


_ALLOW = """\
User-agent: *
Disallow: /gp/cart
Disallow: /ap/signin
Disallow: /sspa/
"""
_RULES = {
    Robots.ALLOW: _ALLOW,
    Robots.DENY: "User-agent: *\nDisallow: /\n",
    Robots.DENY_SCRAPY: f"{_ALLOW}\nUser-agent: Scrapy\nDisallow: /\n",
    Robots.DENY_PICTURES: f"{_ALLOW}Disallow: /images/\n",
}


def robots_rules(behaviour: Behaviour) -> str:
    """The text of `/robots.txt` where it has one."""
    if behaviour.robots_text is not None:
        return behaviour.robots_text
    rules = _RULES.get(behaviour.robots, _ALLOW)
    if behaviour.crawl_delay_s is None:
        return rules
    return rules.replace("User-agent: *\n", f"User-agent: *\nCrawl-delay: {behaviour.crawl_delay_s:g}\n")
