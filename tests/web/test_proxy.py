"""The configuration of nginx in the docs, run as it stands there: half requests, strange names, large and slow uploads."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.dataset.filling import Shelf

from .conftest import Serve
from .test_connections import HALF_BODY, HALF_HEADER, answers_at_once, held

ROOT = Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def documented() -> str:
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def configuration(folder: Path, studio: str, port: int) -> str:
    """The documented configuration with this machine's ports and without the certificate."""
    text = documented()
    for wanted, instead in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("http://127.0.0.1:8000;", f"{studio};"),
        (r"ssl_certificate     /etc/ssl/studio.pem;", ""),
        (r"ssl_certificate_key /etc/ssl/studio.key;", ""),
    ):
        assert wanted in text, wanted
        text = text.replace(wanted, instead)
    places = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{places}{text}}}\n"
    )


@pytest.fixture
def proxy(serve: Serve, tmp_path: Path) -> Iterator[str]:
    """nginx before a studio of four threads, as the docs say."""
    assert NGINX is not None
    studio = serve(hosts="studio.example.org", token="x" * 20, threads=4, connections_per_address=512)
    folder = tmp_path / "nginx"
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(configuration(folder, studio, port), encoding="utf-8")
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen([*command, "-g", "master_process off;"], stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            if process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@needs_nginx
@pytest.mark.parametrize("data", [b"", HALF_HEADER, HALF_BODY], ids=["silent", "header", "body"])
def test_130_half_requests_do_not_silence_the_studio_behind_nginx(proxy: str, data: bytes) -> None:
    # Whole headers count against the requests of one address.
    count = 24 if data == HALF_BODY else 130
    data = data.replace(b"127.0.0.1", b"studio.example.org")
    with held(proxy, count, data):
        for _ in range(3):
            answers_at_once(proxy)


@pytest.mark.parametrize("data", [b"", HALF_HEADER, HALF_BODY], ids=["silent", "header", "body"])
def test_130_half_requests_do_not_silence_the_studio_alone(serve: Serve, data: bytes) -> None:
    origin = serve()  # as it comes
    with held(origin, 130, data):
        for _ in range(3):
            answers_at_once(origin)


@needs_nginx
def test_a_name_that_is_not_the_studios_is_refused_through_nginx_too(proxy: str, shelf: Shelf) -> None:
    assert requests.get(f"{proxy}/", headers={"Host": "studio.example.org"}, timeout=10).status_code == 200
    refused = requests.get(f"{proxy}/", headers={"Host": "evil.example"}, timeout=10)
    assert refused.status_code == 400
    assert "not known by this name" in refused.text


@needs_nginx
def test_a_write_through_nginx_needs_the_token(proxy: str, shelf: Shelf) -> None:
    body = {"image_id": 1, "action": "keep", "seen": 0}
    assert requests.post(f"{proxy}/api/v1/reviews", json=body, timeout=10).status_code == 401
    bearer = {"Authorization": f"Bearer {'x' * 20}"}
    assert requests.post(f"{proxy}/api/v1/reviews", json=body, headers=bearer, timeout=10).status_code == 201


@needs_nginx
def test_an_upload_over_the_limit_never_reaches_the_studio(proxy: str) -> None:
    address = urlsplit(proxy)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(HALF_BODY.replace(b"1000000", str(82 << 20).encode()))
        assert b" 413 " in line.recv(1_000).split(b"\r\n")[0]


@needs_nginx
def test_the_bound_on_requests_of_one_address_is_nginx_own(proxy: str) -> None:
    with held(proxy, 40, HALF_BODY):
        time.sleep(0.3)
        assert requests.get(f"{proxy}/health", timeout=10).status_code == 503
    time.sleep(0.3)
    answers_at_once(proxy)
