"""The studio in the browser: look at what was crawled, review it, compare models, classify pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from stj_core.config import Config
    from stj_web.settings import WebConfig


def create_app(config: Config | None = None, web: WebConfig | None = None) -> Flask:
    """Make the studio's WSGI application.

    Args:
        config: the settings that the rooms share; read from the environment if not given.
        web: the studio's own settings; read from the environment if not given.

    Raises:
        UsageError: a setting cannot be right.
    """
    from stj_core.config import read_config
    from stj_web.app import build
    from stj_web.settings import read_web_config

    return build(config or read_config(), web or read_web_config())
