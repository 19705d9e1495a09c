"""Who we say we are: name, version and a way to reach the person who crawls."""

from __future__ import annotations

from stj_core import __version__

# A rule in robots.txt for any of these binds us.
AGENT_NAMES = ("STJ", "Scrapy")


def user_agent(contact: str) -> str:
    """The User-Agent header: `STJ/0.1.0 (Scrapy; +contact)`.

    Args:
        contact: an address or URL, as STJ_CONTACT says; empty when nobody can be reached.
    """
    reach = "".join(char for char in contact if char.isprintable() and char.isascii()).strip()
    return f"STJ/{__version__} (Scrapy; +{reach})" if reach else f"STJ/{__version__} (Scrapy; no contact given)"
