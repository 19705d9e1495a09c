"""scrapyd's application with a password always, and its door: whose requests are let in at all."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import scrapyd.app
from scrapyd.config import Config
from scrapyd.webservice import WsResource
from scrapyd.website import Root
from twisted.web.http import Request
from twisted.web.resource import Resource

from stj_core.cli import say
from stj_core.errors import UsageError
from stj_core.service import PASSWORD_FILE, make_credentials

_OURS = frozenset({"127.0.0.1", "localhost", "::1"})
_SAME_SITE = frozenset({"same-origin", "none"})


def application(config: Config) -> Any:  # noqa: ANN401 - Twisted's application has no type
    """Build the service; without a user and a password of the user's, those of `scrapyd/password` hold.

    Args:
        config: scrapyd's.
    """
    given = [os.getenv(f"SCRAPYD_{name.upper()}") or config.get(name, "").strip() for name in ("username", "password")]
    if not all(given):
        try:
            found = make_credentials()
        except UsageError as error:
            raise SystemExit(str(error)) from error
        config.cp.set(config.SECTION, "username", found.user)
        config.cp.set(config.SECTION, "password", found.password.replace("%", "%%"))
        if found.made:
            say(
                f"The crawl service wants user {found.user} and password {found.password}; "
                f"they are kept in {PASSWORD_FILE}, which only you can read. This is not said again."
            )
    return scrapyd.app.application(config)


class GuardedRoot(Root):
    """Lets nobody in who is called by another name than ours, or sent by another site's page."""

    def __init__(self, config: Config, app: object) -> None:
        super().__init__(config, app)
        names = {config.get("bind_address", "127.0.0.1"), *config.get("allowed_hosts", "").split(",")}
        self.hosts = _OURS | {name.strip().lower() for name in names if name.strip()} - {"0.0.0.0", "::"}  # noqa: S104 - listened on, never visited
        # Tracebacks are for the log.
        self.debug = False

    def getChildWithDefault(self, path: bytes, request: Request) -> Resource:  # noqa: N802 - Twisted's name
        """The part that answers, or a refusal."""
        why = refusal(request, self.hosts)
        if why is not None:
            return _Refused(why)
        child = super().getChildWithDefault(path, request)
        return _SameSite(child) if isinstance(child, WsResource) else child


def refusal(request: Request, hosts: frozenset[str]) -> str | None:
    """Why a request is not let in, or None.

    Args:
        request: as it came.
        hosts: names by which the service may be called.
    """
    host = (request.getHeader("host") or "").lower()
    if _name(f"//{host}") not in hosts:
        return "this service is not called by that name"
    # Browsers that say no origin say whose page sends them.
    sender = request.getHeader("origin") or request.getHeader("referer")
    if sender is not None and _netloc(sender.lower()) != host:
        return "another site's page may not use this service"
    site = request.getHeader("sec-fetch-site")
    if site is not None and site.strip().lower() not in _SAME_SITE:
        return "another site's page may not use this service"
    return None


def _name(address: str) -> str | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    # A Host is a name and a port, and nothing else that an address may have.
    return parts.hostname if address == f"//{parts.netloc}" and "@" not in address else None


def _netloc(address: str) -> str | None:
    try:
        return urlsplit(address).netloc
    except ValueError:
        return None


class _Refused(Resource):
    """403, with a sentence."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def render(self, request: Request) -> bytes:
        """The refusal."""
        request.setResponseCode(403)
        request.setHeader("Content-Type", "application/json")
        return b'{"status": "error", "message": "Refused: %s."}\n' % self._why.encode("ascii")


class _SameSite(Resource):
    """A part of scrapyd without its leave for every other site to read the answer."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, part: WsResource) -> None:
        super().__init__()
        self._part = part

    def render(self, request: Request) -> Any:  # noqa: ANN401 - bytes, or Twisted's mark for later
        """What the part answers."""
        answer = self._part.render(request)
        for name in ("Origin", "Methods", "Headers"):
            request.responseHeaders.removeHeader(f"Access-Control-Allow-{name}")
        return answer
