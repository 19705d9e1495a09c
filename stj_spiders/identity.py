"""Who we say we are: name, version and a way to reach the person who crawls."""

from __future__ import annotations

import os

from stj_core import __version__

# A rule in robots.txt for any of these binds us.
AGENT_NAMES = ("STJ", "Scrapy")


def user_agent(contact: str | None = None) -> str:
    """The User-Agent header: `STJ/0.1.0 (Scrapy; +contact)`.

    Args:
        contact: an address or URL; by default what STJ_CONTACT says.
    """
    reach = os.environ.get("STJ_CONTACT", "") if contact is None else contact
    reach = "".join(char for char in reach if char.isprintable() and char.isascii()).strip()
    return f"STJ/{__version__} (Scrapy; +{reach})" if reach else f"STJ/{__version__} (Scrapy; no contact given)"
