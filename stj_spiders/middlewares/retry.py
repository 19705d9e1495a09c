"""Repeat requests whose connection failed, and pictures that met a failing server; answers to pages are judged elsewhere."""

from __future__ import annotations

from scrapy import Request, Spider
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.http import Response

from stj_spiders.middlewares.robots import ASKS_RULES
from stj_spiders.politeness import PICTURE


class AccidentRetryMiddleware(RetryMiddleware):
    """Retries lost connections, and pictures that met a failing server.

    A page's answer is judged instead, and robots.txt is asked once.
    """

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Let pages and robots.txt through as they are."""
        return super().process_response(request, response) if request.meta.get(PICTURE) else response

    def process_exception(
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        """Repeat what broke on the way; without robots.txt nothing is asked at all."""
        return None if request.meta.get(ASKS_RULES) else super().process_exception(request, exception)
