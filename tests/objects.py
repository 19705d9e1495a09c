"""An S3 server on loopback that keeps its objects in memory, for tests of what lies in an object store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

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


# The bucket is there before anybody is answered: a server that comes back without it would be another fault.
_SERVE = """
import sys
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import main
s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(sys.argv[2], "us-east-1")
main(["--host", "127.0.0.1", "--port", sys.argv[1]])
"""


@dataclass
class ObjectServer:
    """An S3 server in a process of its own, which can be stopped for a while, and started again on the same port, empty.

    Attributes:
        name: of its one bucket.
        port: where it listens; a free one, if not given.
        process: the server; None while there is none.
    """

    name: str
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
        return {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_DEFAULT_REGION": "us-east-1"}

    def __post_init__(self) -> None:
        self.port = self.port or _free_port()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([sys.executable, "-c", _SERVE, str(self.port), self.name], **quiet)
        for _ in range(600):
            assert self.process.poll() is None, "the server did not start"
            with suppress(URLError, ConnectionError), urlopen(f"http://127.0.0.1:{self.port}/moto-api/", timeout=0.2):
                return
            time.sleep(0.1)
        raise AssertionError("the server did not answer")

    def pause(self) -> None:
        """It neither answers nor refuses."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where it was."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """It is gone, with everything that it held."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


@contextmanager
def an_object_server(name: str) -> Iterator[ObjectServer]:
    """A server with an empty bucket, for as long as the block lasts."""
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'stj[dev]'")
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'stj[s3]'")
    server = ObjectServer(name)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
