"""Which browser is started, how, and what it may load."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from typing import Any, Protocol
from urllib.parse import urlsplit

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A browser that only shows the page: it updates, synchronises and reports nothing.
_FLAGS = (
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_UNSEEN = frozenset({"image", "font", "media"})


class SubRequest(Protocol):
    """What we look at in a request of the browser's."""

    @property
    def url(self) -> str:
        """Its address."""

    @property
    def resource_type(self) -> str:
        """What the page wants it for: document, script, image and so on."""


def launch_options(
    hosts: Collection[str] = (), which: Callable[[str], str | None] = shutil.which, *, root: bool | None = None
) -> dict[str, Any]:
    """How to start the browser: the first one on the PATH, else Playwright's own.

    Args:
        hosts: names of the only hosts that it may connect to, with the port if there is one. Routes do not see redirects and
            web sockets; what no name resolves to is not reached by them either.
        which: finds a program.
        root: whether we are root, whom Chromium's sandbox refuses; None looks.
    """
    if root is None:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
    rules = ",".join([*(f"MAP {host} {host}" for host in sorted(hosts)), "MAP * ~NOTFOUND"])
    flags = [*_FLAGS, f"--host-resolver-rules={rules}"] if hosts else _FLAGS
    options: dict[str, Any] = {"args": [*flags, *(["--no-sandbox"] if root else [])]}
    found = next(filter(None, map(which, _NAMES)), None)
    if found:
        options["executable_path"] = found
    return options


def is_unwanted(request: SubRequest, hosts: Collection[str]) -> bool:
    """Whether the browser shall do without: pictures (they come over plain HTTP), and other hosts' things.

    Args:
        request: what the browser is about to ask for.
        hosts: names of the hosts that it may ask, with the port if there is one.
    """
    return request.resource_type in _UNSEEN or urlsplit(request.url).netloc not in hosts
