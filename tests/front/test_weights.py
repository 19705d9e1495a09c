"""`stj weights`: what there is, where it lies, and how a file gets there; nothing is guessed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stj.cli import app
from stj_core.cli import outcome
from stj_model.backbones import registry
from stj_model.backbones.base import Download

CONTENT = b"weights of a kind" * 1000


@pytest.fixture(autouse=True)
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Keras' own, with nothing in it."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Download]:
    """ImageNet's weights, as small ones on a server of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.server_port}/resnet50_notop.h5"
        wanted = Download(url, hashlib.md5(CONTENT).hexdigest(), len(CONTENT), "a test", "none")
        backbone = dataclasses.replace(registry.BACKBONES[registry.DEFAULT], imagenet=wanted)
        monkeypatch.setitem(registry.BACKBONES, registry.DEFAULT, backbone)
        yield wanted
        listener.shutdown()
        thread.join()


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert outcome(app, ["weights", "list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_any_the_first_line_says_so_and_what_to_do(keras_home: Path, capsys):
    assert outcome(app, ["weights", "list"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("No weights are here: `stj weights fetch`")
    assert "`stj weights add FILE`" in first
    about = "\n".join(rest)
    for word in ("95 MB", "MIT", "md5:4d473c1dd8becc155b73f8504c6f6626", "https://", str(keras_home / "models")):
        assert word in about


def test_fetching_puts_them_where_keras_looks_and_a_second_time_does_nothing(server, keras_home, capsys):
    assert outcome(app, ["weights", "fetch"]) == 0
    file = keras_home / "models" / "resnet50_notop.h5"
    assert file.read_bytes() == CONTENT
    assert hashlib.sha256(CONTENT).hexdigest() in capsys.readouterr().out
    (only,) = listed(capsys)
    assert (only["here"], only["path"], only["name"]) == (True, str(file), "imagenet")
    before = file.stat().st_mtime_ns
    assert outcome(app, ["weights", "fetch"]) == 0
    assert file.stat().st_mtime_ns == before


def test_what_was_brought_under_any_name_is_known_by_its_bytes(server, keras_home, tmp_path, capsys):
    (tmp_path / "from-a-stick.bin").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "from-a-stick.bin"]) == 0
    assert (keras_home / "models" / "resnet50_notop.h5").read_bytes() == CONTENT


def test_a_file_of_ones_own_is_described_and_then_used_without_questions(tmp_path, capsys):
    from stj_model.weights import find_weights

    (tmp_path / "mine.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "mine.h5"]) == 1
    assert "has no mine.json beside it" in capsys.readouterr().err
    assert (
        outcome(app, ["weights", "add", "mine.h5", "--backbone", "resnet50_v1_5", "--licence", "CC0", "--source", "me"])
        == 0
    )
    found = find_weights("weights/mine.weights.h5")
    assert (found.architecture, found.licence, found.source) == ("resnet50_v1_5", "CC0", "me")
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    names = [one["name"] for one in listed(capsys)]
    assert names == ["imagenet", "weights/mine.weights.h5"]


def test_a_file_of_ones_own_is_never_taken_for_imagenets_and_every_door_says_how_to_use_it(
    tmp_path, capsys, monkeypatch
):
    from stj import doctor
    from stj_core.errors import WeightsError
    from stj_model.weights import find_weights

    (tmp_path / "mine.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "mine.weights.h5", "--backbone", "resnet50"]) == 0
    use = "--weights weights/mine.weights.h5, or set STJ_WEIGHTS=weights/mine.weights.h5"
    said = capsys.readouterr()
    assert said.out.strip() == "weights/mine.weights.h5"
    assert "not the ImageNet weights" in said.err
    assert use in said.err

    assert outcome(app, ["weights", "check"]) == 1
    assert use in capsys.readouterr().err
    (found,) = doctor._weights()
    assert (found.state, found.mend) == (doctor.State.LACKS, f"weights/mine.weights.h5 is here: use it with {use}.")

    closed = socket.create_server(("127.0.0.1", 0))
    nobody = Download(f"http://127.0.0.1:{closed.getsockname()[1]}/notop.h5", "0" * 32, 1, "a test", "none")
    closed.close()
    backbone = dataclasses.replace(registry.BACKBONES[registry.DEFAULT], imagenet=nobody)
    monkeypatch.setitem(registry.BACKBONES, registry.DEFAULT, backbone)
    with pytest.raises(WeightsError, match=r"cannot be had: no connection .*" + use):
        find_weights("imagenet")


def test_no_door_advises_a_file_that_a_training_would_refuse(tmp_path, capsys):
    folder = tmp_path / "weights"
    folder.mkdir()

    def advised() -> str:
        assert outcome(app, ["weights", "check"]) == 1
        return capsys.readouterr().err

    (folder / "a_unknown.weights.h5").write_bytes(CONTENT)
    assert "a_unknown.weights.h5 is here but cannot be used: " in (said := advised())
    assert "--backbone" in said
    (tmp_path / "b changed.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "b changed.weights.h5", "--backbone", "resnet50"]) == 0
    assert "use it with --weights 'weights/b changed.weights.h5', or" in advised()
    (folder / "b changed.weights.h5").write_bytes(CONTENT[1:])
    (folder / "c_torn.weights.h5").write_bytes(CONTENT)
    (folder / "c_torn.weights.json").write_text('{"architecture":')
    assert "use it with" not in advised()
    (tmp_path / "d.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "d.weights.h5", "--backbone", "resnet50"]) == 0
    assert "use it with --weights weights/d.weights.h5, or" in advised()


def test_a_file_that_was_changed_after_it_was_added_is_listed_as_unusable(tmp_path, capsys):
    (tmp_path / "mine.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "mine.weights.h5", "--backbone", "resnet50"]) == 0
    (tmp_path / "weights" / "mine.weights.h5").write_bytes(CONTENT[1:])
    assert str(listed(capsys)[1]["architecture"]).startswith("unusable (")


def test_adding_what_lies_there_already_keeps_it(tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "weights/mine.weights.h5", "--backbone", "resnet50"]) == 0
    assert (tmp_path / "weights" / "mine.weights.h5").read_bytes() == CONTENT
    assert json.loads((tmp_path / "weights" / "mine.weights.json").read_text())["architecture"] == "resnet50"


def test_a_file_that_is_not_there_is_said(capsys):
    assert outcome(app, ["weights", "add", "nowhere.h5"]) == 1
    assert capsys.readouterr().err == "There is no file nowhere.h5: name the weights file that you brought.\n"


def test_what_cannot_be_fetched_is_told_with_what_one_can_do_here(keras_home, monkeypatch, capsys):
    """Not with the options of a training, which this command has not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wanted = Download(f"http://127.0.0.1:{port}/notop.h5", "0" * 32, 1, "a test", "none")
    backbone = dataclasses.replace(registry.BACKBONES[registry.DEFAULT], imagenet=wanted)
    monkeypatch.setitem(registry.BACKBONES, registry.DEFAULT, backbone)
    assert outcome(app, ["weights", "fetch"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("The ImageNet weights cannot be had: no connection")
    assert said.endswith("Fetch that address on another machine, bring the file here, and stj weights add FILE.")
    assert "--weights" not in said


def test_checking_fetches_nothing(keras_home, capsys):
    assert outcome(app, ["weights", "check"]) == 1
    assert "stj weights fetch, or stj weights add FILE" in capsys.readouterr().err
    assert not keras_home.exists()


@pytest.mark.slow
def test_checking_loads_the_file_into_its_network(tmp_path, capsys):
    (tmp_path / "mine.weights.h5").write_bytes(CONTENT)
    assert outcome(app, ["weights", "add", "mine.weights.h5", "--backbone", "resnet50"]) == 0
    assert outcome(app, ["weights", "check", "weights/mine.weights.h5"]) == 1
    assert "does not hold the weights of resnet50" in capsys.readouterr().err
    assert outcome(app, ["weights", "check", "random"]) == 0
    assert "23,587,712 numbers" in capsys.readouterr().out
