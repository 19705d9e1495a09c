"""Scrapy's own download handler, and beside it scrapy-playwright's for the requests that carry `RENDER`.

scrapy-playwright starts two node processes (250 MB) as soon as it is there: it is set up when the first render is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from stj_core.errors import CrawlError
from stj_spiders.config import CrawlConfig
from stj_spiders.downloading import GuardedDownloadHandler
from stj_spiders.exceptions import LedElsewhereError
from stj_spiders.reach import shown
from stj_spiders.rendering.browser import is_unwanted, launch_options
from stj_spiders.request_meta import RENDER, RENDERED_BY
from stj_spiders.session import session_of

_WAIT_MS = 10_000
# Cards, or a page that will never show any.
_SETTLED = 'div[data-component-type="s-search-result"], [data-asin] img, form[action*="validateCaptcha"], .s-no-results'


class RenderError(CrawlError):
    """No browser can be had, or it cannot show the page."""


class BrowserDownloadHandler(GuardedDownloadHandler):
    """Plain requests go as ever; one that carries `RENDER` goes through a browser."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand ready; no browser is started yet."""
        super().__init__(crawler)
        self._for = crawler
        self._hosts = CrawlConfig.from_settings(crawler.settings).render_hosts
        self._lock = asyncio.Lock()
        self._browser: Any = None

    async def download_request(self, request: Request) -> Response:
        """Fetch a request.

        Raises:
            RenderError: it needs a browser, and there is none that can show it.
        """
        if not request.meta.get(RENDER):
            return await super().download_request(request)
        async with self._lock:
            if self._browser is None:
                hosts = {session_of(self._for).host, *self._hosts}
                self._browser = await _set_up(self._for, hosts)
        request.meta.update(_how(request, self._hosts, self._for.settings["USER_AGENT"]))
        try:
            response = await self._browser.download_request(request)
        except Exception as error:
            raise RenderError(
                f"The browser cannot show {request.url} ({_first_line(error)}): try again later, or use -s STJ_RENDER=never."
            ) from error
        refusal = session_of(self._for).reach.page_refusal(response.url)
        if refusal is not None:
            raise LedElsewhereError(f"{shown(request.url)} leads to {shown(response.url)}, {refusal}.")
        response.meta[RENDERED_BY] = f"chromium {self._browser.browser.version}"
        return cast("Response", response)

    async def close(self) -> None:
        """Give everything back, the browser too."""
        await super().close()
        if self._browser is not None:
            await self._browser.close()


async def _set_up(crawler: Crawler, hosts: Collection[str]) -> Any:  # noqa: ANN401 - scrapy-playwright has no types, and may not be there
    """A started scrapy-playwright handler with its browser.

    Raises:
        RenderError: what is missing.
    """
    try:
        from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler
    except ImportError as error:
        raise RenderError(
            "This listing is made by a script and needs a browser: pip install 'stj[browser]', or use -s STJ_RENDER=never."
        ) from error
    handler = ScrapyPlaywrightDownloadHandler(crawler)
    handler.config.launch_options = launch_options(hosts)
    # It would wait for the engine to start, which has long done so; there is no public way to be late.
    await handler._maybe_launch_in_thread()
    try:
        await handler._maybe_launch_browser()
    except Exception as error:
        await handler.close()
        raise RenderError(
            f"This listing is made by a script, and no browser can be started ({_first_line(error)}): install Chromium "
            "(apt-get install chromium, or playwright install chromium), or use -s STJ_RENDER=never."
        ) from error
    return handler


def _how(request: Request, hosts: Collection[str], user_agent: str) -> dict[str, Any]:
    """What scrapy-playwright is told about one request."""
    from scrapy_playwright.page import PageMethod

    return {
        "playwright": True,
        # Routes do not see what a service worker fetches, so there is none; cookies end with the page.
        "playwright_context": "stj",
        "playwright_context_kwargs": {
            "user_agent": user_agent,
            "service_workers": "block",
            "locale": "en-IN",
        },
        "playwright_page_init_callback": partial(_guard, hosts={urlsplit(request.url).netloc, *hosts}),
        "playwright_page_goto_kwargs": {"wait_until": "domcontentloaded"},
        "playwright_page_methods": [PageMethod(_settle)],
        "download_timeout": 60,
    }


async def _guard(page: Any, _request: Request, *, hosts: set[str]) -> None:  # noqa: ANN401 - Playwright's page
    """Keep the page to its own hosts; asked before scrapy-playwright's route, because the newest route comes first."""

    async def look(route: Any) -> None:  # noqa: ANN401 - Playwright's route
        await (route.abort() if is_unwanted(route.request, hosts) else route.fallback())

    await page.route("**", look)


async def _settle(page: Any) -> None:  # noqa: ANN401 - Playwright's page
    """Wait until cards are there; a page without any is judged as it stands then."""
    from playwright.async_api import TimeoutError as PlaywrightTimeoutError

    with suppress(PlaywrightTimeoutError):
        await page.wait_for_selector(_SETTLED, timeout=_WAIT_MS, state="attached")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip(" .")
