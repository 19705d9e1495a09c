"""An S3 server on loopback that keeps its objects in memory, for tests of what lies in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def serving_objects() -> Iterator[str]:
    """Serve; yields the address. Skips where there is no server, or no driver for it."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'stj[dev]'")
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'stj[s3]'")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@contextmanager
def bucket(address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty bucket, and the environment in which it is reached."""
    import fsspec
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    fsspec.filesystem("s3").mkdir(name)
    try:
        yield
    finally:
        fsspec.filesystem("s3", use_listings_cache=False).rm(name, recursive=True)
        s3fs.S3FileSystem.clear_instance_cache()
