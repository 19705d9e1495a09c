"""Build the Flask application of the studio from its settings."""

from __future__ import annotations

import io
from typing import IO, Any

from flask import Flask, Request
from jinja2 import StrictUndefined

from stj_core.config import Config
from stj_core.text import shown_in_html
from stj_web import errors, params, security
from stj_web.filters import register_words
from stj_web.metrics import Metrics
from stj_web.security import limiter
from stj_web.settings import WebConfig
from stj_web.studio import Studio

_MEGABYTE = 1 << 20


class MemoryRequest(Request):
    """A request whose uploads stay in memory: what a visitor sends is never given a name on the disk."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:  # noqa: ANN401 - werkzeug's own hook
        return io.BytesIO()


class StudioApp(Flask):
    """Flask with uploads in memory."""

    request_class = MemoryRequest


def build(config: Config, web: WebConfig) -> Flask:
    """Make the application from its settings."""
    from stj_web.views import api, blueprints, by_hand

    app = StudioApp("stj_web")
    metrics = Metrics()
    studio = Studio(config, web, metrics)
    app.extensions["stj"] = studio
    app.config.update(
        MAX_CONTENT_LENGTH=web.max_request_mb * _MEGABYTE,
        MAX_FORM_MEMORY_SIZE=_MEGABYTE // 2,
        MAX_FORM_PARTS=2 * web.max_files + 20,
        # Scripts and styles are asked for anew each time, at the cost of a 304: after an upgrade old and new never meet.
        SEND_FILE_MAX_AGE_DEFAULT=None,
        RATELIMIT_ENABLED=bool(web.rate or web.token),
        RATELIMIT_STORAGE_URI="memory://",
        RATELIMIT_HEADERS_ENABLED=True,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # A name in a template that nobody gave is an error, and never an empty place on the page.
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.finalize = shown_in_html
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    metrics.register(app)
    security.register(app, web)
    app.before_request(params.check_understood)
    limiter.init_app(app)
    errors.register(app)
    register_words(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    # The REST interface guards itself: programs bear the token, the studio's own pages a CSRF header.
    for blueprint in (api.pages, by_hand.pages):
        security.csrf.exempt(blueprint)
    return app
