"""Listen with waitress: threads, a bounded body, and answers that leave as soon as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stj_core import cli
from stj_core.config import Config
from stj_core.errors import UsageError
from stj_images.decode import MAX_BYTES
from stj_web import create_app
from stj_web.settings import WebConfig

if TYPE_CHECKING:
    from flask import Flask

    from stj_web.studio import Studio

_MEGABYTE = 1 << 20


def serve(config: Config, web: WebConfig) -> None:
    """Serve the studio until Ctrl-C.

    Raises:
        UsageError: the address cannot be listened on.
    """
    app = create_app(config, web)
    server = make_server(config, web, app)
    host, port = server.effective_host, server.effective_port
    cli.emit(f"http://{host}:{port}/")
    import sys

    sys.stdout.flush()
    if not web.on_loopback and not web.token:
        cli.say("Writes are refused: the studio listens to more than this machine and STJ_WEB_TOKEN is not set.")
    here: Studio = app.extensions["stj"]
    # What waited in the queue when the studio ended goes on by itself.
    here.jobs.begin()
    try:
        server.run()
    finally:
        server.close()
        here.close()


def make_server(config: Config, web: WebConfig, app: Flask | None = None) -> Any:  # noqa: ANN401 - waitress ships without types
    """A server that listens already and does not run yet.

    Args:
        config: the settings that the rooms share.
        web: the studio's own.
        app: the studio, if it was made already.

    Raises:
        UsageError: the address cannot be listened on.
    """
    from stj_web.connections import listen

    try:
        return listen(
            app or create_app(config, web),
            web,
            ident="stj",
            max_request_body_size=(web.max_request_mb + 1) * _MEGABYTE,
            max_request_header_size=32_768,
            # A picture stays in memory; only a request of many large ones passes through a nameless temporary file.
            inbuf_overflow=MAX_BYTES + _MEGABYTE,
            channel_request_lookahead=1,
        )
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {web.host}:{web.port} ({error.strerror or error}): give another --port."
        ) from error
    except ValueError as error:  # the server's word for a host that nobody knows
        raise UsageError(f"Cannot listen on {web.host}:{web.port} ({error}): give another --host.") from error
