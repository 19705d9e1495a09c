"""Numbers for Prometheus: requests by endpoint and status, their time, and pictures classified."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


class Metrics:
    """One registry per application, so that tests and processes do not share numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("stj_requests", "Requests", ["endpoint", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "stj_request_seconds",
            "Seconds until the answer began",
            ["endpoint"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self.classified = Counter("stj_classified", "Pictures classified", ["answer"], registry=self.registry)
        self.model_seconds = Histogram(
            "stj_model_seconds", "Seconds of the model for one picture", registry=self.registry
        )
        self.streams = Gauge("stj_event_streams", "Live event streams that are open", registry=self.registry)

    def register(self, app: Flask) -> None:
        """Measure every request."""
        app.before_request(_begin)
        app.after_request(self._end)

    def text(self) -> Response:
        """The numbers as Prometheus reads them."""
        return Response(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)

    def _end(self, response: Response) -> Response:
        # The endpoint, never the path: what visitors type must not become a label.
        endpoint = request.endpoint or "none"
        method = request.method if request.method in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"} else "other"
        self.requests.labels(endpoint, method, str(response.status_code)).inc()
        if "began" in g:
            self.seconds.labels(endpoint).observe(time.perf_counter() - g.began)
        return response


def _begin() -> None:
    g.began = time.perf_counter()
