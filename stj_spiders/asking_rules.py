"""A shop's robots.txt before any crawl, for a dry run: one request, as polite as a crawl's first."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO

from stj_core.text import one_line
from stj_spiders.reach import Reach
from stj_spiders.robots import MOST_BYTES, Closed, Rules, read_rules

_SECONDS = 10.0


class _StayingHandler(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only within the origin."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if self._reach.page_refusal(newurl) is not None:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask_rules(origin: str, user_agent: str) -> Rules:
    """What the robots.txt of a shop allows now.

    Args:
        origin: scheme, host and port.
        user_agent: who asks.
    """
    opener = urllib.request.build_opener(_StayingHandler(Reach.of(origin)))
    request = urllib.request.Request(f"{origin}/robots.txt", headers={"User-Agent": user_agent})  # noqa: S310 - `Reach` takes http and https alone
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return read_rules(answer.status, answer.read(MOST_BYTES + 1))
    except urllib.error.HTTPError as error:
        with error:
            return read_rules(error.code, b"")
    except (OSError, HTTPException, ValueError) as error:
        why = one_line(str(getattr(error, "reason", error))) or type(error).__name__
        return Rules("", f"its robots.txt cannot be had ({why})", Closed.OUTAGE)
