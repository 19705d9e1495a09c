"""Weights: found, described, checked; and a download that never holds a command longer than it may."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stj_core.errors import UsageError, WeightsError
from stj_model import weights as module
from stj_model.backbones.registry import BACKBONES
from stj_model.weights import download, find_weights

DOWNLOAD = BACKBONES["resnet50"].imagenet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.weights.h5"
    path.write_bytes(b"numbers")
    return path


def describe(file: Path, **changes: str) -> None:
    about = {
        "architecture": "resnet50_v1_5",
        "preprocessing": "caffe",
        "source": "a paper",
        "licence": "MIT",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    (file.parent / "net.weights.json").write_text(json.dumps(about | changes))


def test_a_file_is_described_by_the_one_beside_it(file: Path):
    describe(file)
    found = find_weights(str(file))
    assert (
        found.architecture,
        found.preprocessing,
        found.source,
        found.licence,
    ) == ("resnet50_v1_5", "caffe", "a paper", "MIT")
    assert hashlib.sha256(b"numbers").hexdigest() == found.sha256
    assert not found.is_random


def test_a_file_without_description_needs_to_be_told(file: Path):
    with pytest.raises(WeightsError, match="say --backbone resnet50 or --backbone resnet50_v1_5"):
        find_weights(str(file))
    assert find_weights(str(file), "resnet50").architecture == "resnet50"


def test_another_file_under_the_same_description_is_noticed(file: Path):
    describe(file, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"is not the file that net\.weights\.json describes"):
        find_weights(str(file))


@pytest.mark.parametrize(("field", "value"), [("architecture", "vgg16"), ("preprocessing", "grey")])
def test_what_stj_does_not_know_is_named(file: Path, field: str, value: str):
    describe(file, **{field: value})
    with pytest.raises(WeightsError, match=f"has the {field} '{value}': STJ knows"):
        find_weights(str(file))


def test_contradictions_are_wrong_usage(file: Path):
    describe(file)
    with pytest.raises(UsageError, match="says resnet50_v1_5, --backbone says resnet50"):
        find_weights(str(file), "resnet50")
    with pytest.raises(UsageError, match="--backbone cannot be 'vgg16'"):
        find_weights("random", "vgg16")
    with pytest.raises(UsageError, match="ImageNet weights of resnet50 only"):
        find_weights("imagenet", "resnet50_v1_5")


def test_a_missing_file_is_a_sentence(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"There is no weights file .*nowhere\.weights\.h5: give imagenet, random"):
        find_weights(str(tmp_path / "nowhere.weights.h5"))
    (tmp_path / "net.pt").touch()
    with pytest.raises(WeightsError, match=r"must end in \.weights\.h5"):
        find_weights(str(tmp_path / "net.pt"))


def test_random_weights_are_random():
    assert find_weights("random").is_random


class _Server(http.server.BaseHTTPRequestHandler):
    """`/whole` answers (with ranges), `/slow` dribbles, `/no` refuses."""

    body = bytes(range(256)) * 400

    def do_GET(self) -> None:
        if self.path == "/no":
            self.send_error(503)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - start))
        self.end_headers()
        try:
            if self.path == "/slow":
                for place in range(start, len(self.body), 20_000):
                    self.wfile.write(self.body[place : place + 20_000])
                    self.wfile.flush()
                    time.sleep(0.3)
            else:
                self.wfile.write(self.body[start:])
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    httpd.daemon_threads = False
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_download_arrives_whole(server: str, tmp_path: Path):
    download(f"{server}/whole", tmp_path / "deep" / "w.h5", 10)
    assert _Server.body == (tmp_path / "deep" / "w.h5").read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["w.h5"]


def test_a_slow_download_ends_in_time_keeps_what_came_and_goes_on_from_there(server: str, tmp_path: Path):
    began = time.monotonic()
    with pytest.raises(
        WeightsError, match=r"cannot be had: not done after 1 s.*go(es)? on from there.*--weights random"
    ):
        download(f"{server}/slow", tmp_path / "w.h5", 0.7)
    assert time.monotonic() - began < 3
    assert not (tmp_path / "w.h5").exists()
    for _ in range(50):  # the thread that was left behind notices and ends
        if not any(thread.name == "weights" for thread in threading.enumerate()):
            break
        time.sleep(0.1)
    kept = (tmp_path / "w.h5.part").stat().st_size
    assert 0 < kept < len(_Server.body)
    download(f"{server}/whole", tmp_path / "w.h5", 10)
    assert _Server.body == (tmp_path / "w.h5").read_bytes()


def test_a_refusal_names_the_alternatives(server: str, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"the server answered 503\. Give a file .* or train without any"):
        download(f"{server}/no", tmp_path / "w.h5", 10)


def test_a_damaged_download_of_long_ago_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    module.imagenet_path(DOWNLOAD).parent.mkdir(parents=True)
    module.imagenet_path(DOWNLOAD).write_bytes(b"half")
    with pytest.raises(WeightsError, match="are damaged: delete that file"):
        find_weights("imagenet")
