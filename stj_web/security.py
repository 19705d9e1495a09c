"""Who may ask for what: the Host header, forged requests, the token, and the headers that every answer carries."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect, generate_csrf, validate_csrf
from wtforms.validators import ValidationError

from stj_web.errors import RefusalError
from stj_web.settings import WebConfig
from stj_web.studio import studio

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

CSRF_HEADER = "X-CSRFToken"
_POLICY = "; ".join(
    [
        *(
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
        ),
        *("font-src 'self'", "manifest-src 'self'", "frame-src 'self'", "form-action 'self'", "base-uri 'none'"),
        "frame-ancestors 'self'",
    ]
)
# A run's report is one file that brings its own style and pictures; it runs nothing and reaches nothing.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-popups"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=()",
}

csrf = CSRFProtect()


def register(app: Flask, web: WebConfig) -> None:
    """Guard every request and dress every answer."""
    app.config.update(
        SECRET_KEY=_secret(web),
        SESSION_COOKIE_NAME="stj",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=web.tls,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=True,
    )
    app.before_request(check_host)
    csrf.init_app(app)
    app.after_request(dress)
    app.jinja_env.globals["csrf"] = generate_csrf


def check_host() -> None:
    """Refuse names that the studio is not known by: a foreign page must not reach it by a name of its own.

    Raises:
        RefusalError: the Host header is missing, broken or unknown.
    """
    try:
        name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        name = ""
    if name not in studio().web.known_hosts:
        raise RefusalError(400, "bad_host", "The studio is not known by this name: add it to STJ_WEB_HOSTS.")


def dress(response: Response) -> Response:
    """Add the security headers, where a view has not set its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def writes(view: Callable[P, R]) -> Callable[P, R]:
    """Guard a view that changes something: no forged request, and the token where others can reach the studio."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        check_token()
        check_origin()
        return view(*args, **kwargs)

    return guarded


def same_site(view: Callable[P, R]) -> Callable[P, R]:
    """Guard a view that changes nothing and costs something: pages of other sites may not use it."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        check_origin()
        return view(*args, **kwargs)

    return guarded


def check_origin() -> None:
    """Let a request pass that bears the token, a CSRF token, or no sign of having been made by a browser.

    Raises:
        RefusalError: a page of another site may have made it.
    """
    if bears_token():
        return
    from_browser = any(name in request.headers for name in ("Origin", "Sec-Fetch-Site", "Cookie", "Referer"))
    if not from_browser:
        return
    try:
        validate_csrf(request.headers.get(CSRF_HEADER) or request.form.get("csrf_token"))
    except ValidationError as error:
        raise RefusalError(
            403, "forged", "A page of another site may have sent this: load the studio's page again, then repeat it."
        ) from error


def check_token() -> None:
    """Where more than this machine can reach the studio, a write needs its token.

    Raises:
        RefusalError: it was not given, or none is set.
    """
    web = studio().web
    if web.on_loopback and not web.token:
        return
    if not web.token:
        raise RefusalError(
            403, "read_only", "This studio is read-only: it listens to more than this machine without STJ_WEB_TOKEN."
        )
    if not bears_token() and not logged_in():
        raise RefusalError(
            401, "token_needed", "This needs the studio's token: log in, or send it as Authorization: Bearer."
        )


def bears_token() -> bool:
    """Whether the request carries the token itself."""
    given = request.headers.get("Authorization", "")
    return given.startswith("Bearer ") and is_token(given.removeprefix("Bearer ").strip())


def is_token(given: str) -> bool:
    """Whether this is the token; takes as long for any answer."""
    token = studio().web.token
    return bool(token) and hmac.compare_digest(token.encode(), given.encode())


def logged_in() -> bool:
    """Whether this browser gave the token before."""
    return bool(session.get("writer") == _mark(studio().web))


def log_in(*, leave: bool = False) -> None:
    """Remember, or forget, in this browser that the token was given."""
    session.pop("writer", None)
    if not leave:
        session["writer"] = _mark(studio().web)


def may_write() -> bool:
    """Whether this browser's writes would be taken."""
    web = studio().web
    return (web.on_loopback and not web.token) or logged_in()


def _mark(web: WebConfig) -> str:
    """Another token, another mark: changing it logs everybody out."""
    return hashlib.sha256(f"writer {web.token}".encode()).hexdigest()[:24]


def _secret(web: WebConfig) -> str:
    # Never made from the token: every visitor holds a signed cookie, and could try tokens against it at home.
    return hashlib.sha256(f"session {web.secret}".encode()).hexdigest() if web.secret else secrets.token_hex(32)


limiter = Limiter(get_remote_address)


classify_limit = limiter.shared_limit(
    lambda: studio().web.rate, scope="classify", exempt_when=lambda: not studio().web.rate
)
