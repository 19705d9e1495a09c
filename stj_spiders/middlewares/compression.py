"""Scrapy's decompression, with an error of its own for what swells beyond the size that its request allows.

Every stage is bounded while it goes on, so that a small answer costs no more memory than a large one.
"""

from __future__ import annotations

from contextlib import suppress

from scrapy import Request, Spider
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from stj_spiders.exceptions import TooManyBytesError

# Nobody compresses twice but by accident; a chain of them is work for nothing.
_MOST_ENCODINGS = 2


class BoundedCompressionMiddleware(HttpCompressionMiddleware):
    """Decompresses at most as much as the request lets in."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Decompress a body.

        Raises:
            TooManyBytesError: it would be larger than the request allows.
        """
        said = b",".join(response.headers.getlist("Content-Encoding"))
        if said.count(b",") >= _MOST_ENCODINGS:
            raise TooManyBytesError(f"an answer that is compressed {said.count(b',') + 1} times over")
        with suppress(IgnoreRequest):
            return super().process_response(request, response)
        # Raised here, where the error that holds all the bytes so far is gone already.
        most = request.meta.get("download_maxsize", self._max_size)
        raise TooManyBytesError(f"more than {most / 2**20:.3g} MB when decompressed")
