"""Classifying: the same answers as the command line, several at once, and a plain word for what cannot be read."""

from __future__ import annotations

import base64
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from stj_dataset.manifest import read_manifest
from stj_model.predict import Predictor
from stj_model.preprocess import read_pixels
from stj_model.run_dir import open_run
from tests.copies import copies
from tests.dataset.filling import draw as blots
from tests.model.conftest import draw

from .conftest import MakeApp, form_token
from .test_hostile import body_of

KEYS = {
    "file",
    "answer",
    "label",
    "probabilities",
    "out_of_scope",
    "error",
    "reason",
    "nearest",
    "learned",
    "explanation",
}


def send(client: FlaskClient, *files: tuple[str, bytes], **fields: str) -> Any:
    data: dict[str, Any] = {"files": [(io.BytesIO(content), name) for name, content in files], **fields}
    return client.post("/api/v1/classify", data=data, content_type="multipart/form-data")


def test_the_answers_are_those_of_the_command_line(client: FlaskClient, runs: Path, tmp_path: Path) -> None:
    pictures = [(f"{label}.png", draw(label, 90 + label)) for label in (0, 1, 2)]
    answer = send(client, *pictures)
    assert answer.status_code == 200
    assert answer.json["run"] == open_run(None, runs).name
    files = []
    for name, content in pictures:
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    wanted = [
        one.as_json() for one in Predictor(open_run(None, runs)).answer_files(files, [name for name, _ in pictures])
    ]
    for mine, theirs in zip(answer.json["answers"], wanted, strict=True):
        assert set(mine) == KEYS
        assert {name: mine[name] for name in ("file", "answer", "label", "error")} == {
            name: theirs[name] for name in ("file", "answer", "label", "error")
        }
        # One picture alone and a batch go through the same network in another order of additions.
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)
        assert len(mine["nearest"]) == 3
        distances = [one["distance"] for one in mine["nearest"]]
        assert distances == sorted(distances)
        assert distances[0] == pytest.approx(theirs["out_of_scope"], abs=1e-4)


def test_the_studio_sees_the_pixels_that_a_run_was_trained_on_whatever_the_mode(
    client: FlaskClient, runs: Path
) -> None:
    files = copies(blots(7, (70, 90)))
    answers = send(client, *files.items()).json["answers"]
    predictor = Predictor(open_run(None, runs))
    for mine, (mode, data) in zip(answers, files.items(), strict=True):
        pixels = read_pixels(data, predictor.preprocessing)[None]
        assert mine["file"] == mode
        assert mine["error"] is None
        (wanted,) = predictor.answer(pixels, [mode])
        assert wanted.probabilities is not None
        assert list(mine["probabilities"].values()) == pytest.approx(list(wanted.probabilities.values()), abs=1e-4)


def test_the_nearest_pictures_can_be_looked_at(client: FlaskClient, runs: Path) -> None:
    near = send(client, ("a.png", draw(0, 91))).json["answers"][0]["nearest"][0]
    assert near["title"].startswith(("Saree", "Trousers", "Jeans"))
    answer = client.get(near["thumbnail"], buffered=True)
    assert answer.status_code == 200
    assert answer.content_type == "image/jpeg"
    assert client.get(near["thumbnail"][:-64] + "0" * 64).status_code == 404


def test_a_picture_that_the_run_learned_from_is_said_to_be_one(client: FlaskClient, runs: Path) -> None:
    row = read_manifest(runs / "2026-01")[0]
    dataset = Path(json.loads((runs / "2026-01" / "config.json").read_text())["dataset"])
    known, new = send(client, ("a", (dataset / row.file).read_bytes()), ("b", draw(0, 91)), run="2026-01").json[
        "answers"
    ]
    assert known["learned"] == {"split": row.split, "label": row.label}
    assert new["learned"] is None


def test_one_that_cannot_be_read_does_not_spoil_the_others(client: FlaskClient, runs: Path) -> None:
    good = draw(1, 92)
    answers = send(client, ("good.png", good), ("cut.png", good[: len(good) // 2]), ("words.jpg", b"no picture")).json[
        "answers"
    ]
    assert [one["reason"] for one in answers] == [None, "truncated", "not_image"]
    assert answers[0]["error"] is None
    assert answers[1]["label"] is None
    assert "no picture" in answers[2]["error"]


def test_it_says_where_it_looked_when_asked(client: FlaskClient, runs: Path) -> None:
    from PIL import Image

    plain = send(client, ("a.png", draw(1, 97))).json["answers"][0]
    asked = send(client, ("a.png", draw(1, 97)), explain="1").json["answers"][0]
    assert plain["explanation"] is None
    kind, content = asked["explanation"].split(",", 1)
    assert kind == "data:image/png;base64"
    layer = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (layer.mode, layer.size) == ("RGBA", (224, 224))
    clear, warm = layer.getchannel("A").getextrema()
    assert clear < warm > 192


def test_a_run_can_be_named(client: FlaskClient, runs: Path) -> None:
    names = [one["name"] for one in client.get("/api/v1/runs").json["runs"]]
    for name in names:
        assert send(client, ("a.png", draw(0, 93)), run=name).json["run"] == name
    assert send(client, ("a.png", draw(0, 93)), run="../../etc").status_code == 404


def test_without_a_run_it_says_what_to_do(client: FlaskClient) -> None:
    answer = send(client, ("a.png", draw(0, 93)))
    assert answer.status_code == 503
    assert answer.json["error"]["message"] == "There is no run yet: stj-model train makes one."


def test_nothing_sent_and_too_much_sent(make_app: MakeApp, runs: Path) -> None:
    client = make_app(max_files=3).test_client()
    assert send(client).json["error"]["kind"] == "no_file"
    assert send(client, *[("a.png", b"x")] * 4).json["error"]["kind"] == "too_many_files"
    assert client.post("/api/v1/classify", data=b"raw", content_type="image/png").status_code == 415


def test_an_upload_and_a_crawled_picture_have_one_limit(client: FlaskClient, runs: Path) -> None:
    """A picture that the crawl refuses is refused here, in the same word and sentence."""
    from PIL import Image

    from stj_core.errors import PictureError
    from stj_images.decode import MAX_BYTES, decode

    stream = io.BytesIO()
    Image.new("1", (8_200, 8_000)).save(stream, "PNG")
    good = draw(0, 91)
    for data in (stream.getvalue(), good + b"\0" * (MAX_BYTES + 1 - len(good)), b"no picture", good[: len(good) // 2]):
        with pytest.raises(PictureError) as refused:
            decode(data)
        body, kind = body_of("wide.png", data)  # the test client's own form would leave a temporary file open
        answer = client.post("/api/v1/classify", data=body, content_type=kind).json["answers"][0]
        assert (answer["reason"], answer["error"]) == (refused.value.reason, str(refused.value))


def test_an_upload_is_decoded_once_for_the_network_and_the_eye(
    client: FlaskClient, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stj_images.decode as decoder

    loads: list[int] = []
    load = decoder.load

    def counted(picture: Any, data: bytes) -> None:
        loads.append(len(data))
        load(picture, data)

    monkeypatch.setattr(decoder, "load", counted)
    data = {"csrf_token": form_token(client), "files": (io.BytesIO(draw(2, 94)), "a.png")}
    answer = client.post("/classify", data=data, content_type="multipart/form-data")
    assert "data:image/jpeg;base64," in answer.get_data(as_text=True)
    assert len(loads) == 1


def test_the_form_works_without_a_script(make_app: MakeApp, runs: Path) -> None:
    client = make_app().test_client()
    data = {"csrf_token": form_token(client), "files": (io.BytesIO(draw(2, 94)), "jeans<b>.png")}
    answer = client.post("/classify", data=data, content_type="multipart/form-data")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "data:image/jpeg;base64," in text
    assert "jeans&lt;b&gt;.png" in text
    assert "Nearest training pictures" in text
    assert 'class="heat" src="data:image/png;base64,' in text


@pytest.mark.medium
def test_eight_at_once_get_their_own_answers(make_app: MakeApp, runs: Path) -> None:
    app = make_app()
    pictures = {f"{label}-{number}.png": draw(label, 80 + number) for label in (0, 1, 2) for number in range(8)}
    alone = {
        name: send(app.test_client(), (name, data)).json["answers"][0]["probabilities"]
        for name, data in pictures.items()
    }
    found: dict[str, Any] = {}

    def work(names: list[str]) -> None:
        client = app.test_client()
        for name in names:
            found[name] = send(client, (name, pictures[name])).json["answers"][0]["probabilities"]

    names = list(pictures)
    threads = [threading.Thread(target=work, args=(names[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_when_too_much_waits_the_next_is_told_to_come_again(make_app: MakeApp, runs: Path) -> None:
    app = make_app(waiting=1, decoders=1, max_files=16)
    answer = send(app.test_client(), *[(f"{number}.png", draw(0, number)) for number in range(16)])
    assert answer.status_code == 503
    assert answer.json["error"]["kind"] == "busy"
    assert answer.headers["Retry-After"] == "5"
    assert send(app.test_client(), ("a.png", draw(0, 1))).status_code == 200
