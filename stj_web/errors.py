"""Errors as visitors see them: one sentence and one shape, a page for people and JSON for programs, never a stack trace."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from stj_catalog.reviews import DecisionError, NoPictureError, OvertakenError
from stj_core.errors import CatalogError, ModelError, PictureError, StjError, UsageError

_SENTENCES = {
    400: "The request cannot be understood: look at what was sent.",
    401: "This needs the studio's token: log in, or send it as Authorization: Bearer.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is larger than the studio takes.",
    415: "The studio does not read this content type: send JSON.",
    429: "Too many requests from your address: wait a little, then go on.",
}
_KINDS = {
    400: "bad_request",
    401: "token_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class RefusalError(StjError):
    """A refusal with its HTTP status and a word for programs."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:  # noqa: ANN401 - any JSON value
        super().__init__(message)
        self.status, self.kind, self.more = status, kind, more


def not_found(what: str) -> RefusalError:
    """There is no such thing."""
    return RefusalError(404, "not_found", what)


def busy(what: str) -> RefusalError:
    """Come again in a moment."""
    return RefusalError(503, "busy", f"{what} Try again in a few seconds.")


def register(app: Flask) -> None:
    """Turn every error into an answer."""
    app.register_error_handler(StjError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _bug)


def answer(status: int, kind: str, message: str, **more: Any) -> Response:  # noqa: ANN401 - any JSON value
    """An error in the one shape: JSON below /api and where a program asks, else a page."""
    if wants_json():
        response = jsonify(error={"status": status, "kind": kind, "message": message, **more})
    else:
        response = make_response(render_template("error.html", status=status, message=message))
    response.status_code = status
    if status in {429, 503}:
        response.headers["Retry-After"] = "5"
    return response


def wants_json() -> bool:
    """Whether a program asks rather than a person."""
    if request.path.startswith("/api/") or request.path in {"/health", "/metrics"} or request.path.endswith(".json"):
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
    return best == "application/json"


def _expected(error: StjError) -> Response:
    if isinstance(error, RefusalError):
        return answer(error.status, error.kind, str(error), **error.more)
    status, kind = _word(error)
    more = {"decision": error.decision} if isinstance(error, OvertakenError) else {}
    return answer(status, kind, str(error), **more)


def _word(error: StjError) -> tuple[int, str]:
    for kind, status, word in _WORDS:
        if isinstance(error, kind):
            return status, error.reason if isinstance(error, PictureError) else word
    return 500, "failed"


# The first that fits counts.
_WORDS: tuple[tuple[type[StjError], int, str], ...] = (
    (OvertakenError, 409, "overtaken"),
    (NoPictureError, 404, "not_found"),
    (DecisionError, 409, "nothing_to_decide"),
    (PictureError, 422, "not_image"),
    (UsageError, 400, "bad_request"),
    (CatalogError, 503, "catalog"),
    (ModelError, 503, "no_model"),
)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None and status < 400:
        return current_app.make_response(error.response)
    if 300 <= status < 400:
        return current_app.make_response(error.get_response())
    sentence = _SENTENCES.get(status, "The request failed.")
    if isinstance(error, CSRFError):
        sentence = "The form is too old or came from another site: load the page again."
    response = answer(status, _KINDS.get(status, "failed"), sentence)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def _bug(error: Exception) -> Response:
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(500, "bug", "This is a bug in STJ; its log says more.")
