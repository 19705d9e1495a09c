"""The browser that tests look with: the one a crawl would start, or none."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from stj_spiders.rendering.browser import launch_options


@lru_cache(maxsize=1)
def browser_options() -> dict[str, Any] | None:
    """How to start Chromium: the first on the PATH, else Playwright's own; None where there is neither."""
    options = launch_options()
    if "executable_path" in options:
        return options
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return options if Path(playwright.chromium.executable_path).is_file() else None


def needed_browser() -> dict[str, Any]:
    """The same, and the test is skipped where there is none."""
    options = browser_options()
    if options is None:
        pytest.skip("no browser: make test sees to one, or apt-get install chromium, or playwright install chromium")
    return options
