"""A damaged run folder is one marked row: no page, program or classification fails for it, and whole runs stay usable."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from stj_web.runs import plain

from .conftest import MakeApp
from .test_pages import check

BAD, GOOD = "2026-99", "2026-01"
FILES = [
    *("config.json", "metrics.json", "labels.json", "environment.json", "mistakes.json", "calibration.json"),
    *(
        "manifest.csv",
        "history.csv",
        "predictions.csv",
        "out_of_fold.csv",
        "report.html",
        "neighbours.npz",
        "model.keras",
    ),
]
ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "<script>alert(1)</script>",
        "\ud800",
        [],
        {},
    ),
    *([1, 2], {"x": 1}, [[]], [["a"]], "\x00", [None] * 3),
]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(missing_ok=True),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(random.Random(1).randbytes(3_000)),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a list": lambda path: path.write_text("[1]"),
    "a text": lambda path: path.write_text('"x"'),
    "null": lambda path: path.write_text("null"),
    "deep": lambda path: path.write_text("[" * 200_000),
    "deep and whole": lambda path: path.write_text(f'{{"figures": {deep(900)}, "config": {deep(400)}}}'),
    "huge": lambda path: os.truncate(path, 400 << 20),  # a hole: it takes no place
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a dead link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "zeros": lambda path: path.write_bytes(b"\0" * 500),
}


@pytest.fixture
def client(make_app: MakeApp, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A studio of one whole run."""
    monkeypatch.setenv("STJ_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    shutil.copytree(trained / GOOD, tmp_path / "runs" / GOOD)
    return make_app().test_client()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def stranger(runs: Path) -> Path:
    """A fresh copy of the whole run, newer than it, which somebody is about to damage."""
    folder = runs / BAD
    for path in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(exist_ok=True)
    for path in (runs / GOOD).iterdir():
        shutil.copy(path, folder / path.name)
    (runs / "latest").unlink(missing_ok=True)
    (runs / "latest").symlink_to(BAD)
    return folder


def look(client: FlaskClient, what: object, *, everywhere: bool = False) -> None:
    """Ask for every page that reads of the run."""
    for page in ("/runs", f"/runs/{BAD}", *(("/", "/classify", "/review") if everywhere else ())):
        answer = client.get(page)
        assert answer.status_code == 200, (what, page, answer.get_data(as_text=True)[-300:])
        check(answer.get_data(as_text=True))
    assert BAD in client.get("/runs").get_data(as_text=True)
    assert GOOD in client.get("/runs").get_data(as_text=True)
    listed = client.get("/api/v1/runs")
    entry = next(one for one in json.loads(listed.data, parse_constant=refused)["runs"] if one["name"] == BAD)
    assert entry["status"] in {"finished", "broken"}, what
    assert (entry["status"] == "broken") == bool(entry["reason"]), what
    told = client.get(f"/api/v1/runs/{BAD}")
    assert told.status_code == 200, what
    json.loads(told.data, parse_constant=refused)
    for page in (f"/runs/{BAD}/report", f"/compare?run={BAD}&run={GOOD}", f"/runs/{BAD}/pictures/{'0' * 64}"):
        assert client.get(page, buffered=True).status_code in {200, 404, 409, 503}, (what, page)


def refused(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.medium
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_makes_one_marked_row(client: FlaskClient, runs: Path, damage: str) -> None:
    at = list(DAMAGES).index(damage)
    for place, name in enumerate(FILES[at % 3 :: 3]):
        damaged(runs, name, damage)
        look(client, (damage, name), everywhere=place == 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_damage_of_every_file_makes_one_marked_row(client: FlaskClient, runs: Path, name: str) -> None:
    for damage in DAMAGES:
        damaged(runs, name, damage)
        look(client, (damage, name), everywhere=True)


def damaged(runs: Path, name: str, damage: str) -> None:
    path = stranger(runs) / name
    path.touch()
    DAMAGES[damage](path)


def mutations(value: Any, chance: random.Random) -> Any:
    """The same document with one place replaced, taken away or added to."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.15:
            return {key: part for key, part in value.items() if key != name}
        return value | {name: mutations(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], mutations(value[at], chance), *value[at + 1 :]]
    return chance.choice(ODD)


def damaged_documents(runs: Path, count: int, seed: int) -> Iterator[tuple[int, str]]:
    chance = random.Random(seed)
    for number in range(count):
        name = chance.choice([name for name in FILES if name.endswith(".json")])
        path = stranger(runs) / name
        document = json.loads((runs / GOOD / name).read_text(encoding="utf-8"))
        for _ in range(chance.choice((1, 1, 3))):
            document = mutations(document, chance)
        path.write_text(json.dumps(document), encoding="utf-8")
        yield number, name


@pytest.mark.medium
def test_sixty_documents_with_a_value_of_another_kind(client: FlaskClient, runs: Path) -> None:
    for number, name in damaged_documents(runs, 60, 3):
        look(client, (number, name))


@pytest.mark.slow
def test_a_thousand_documents_with_a_value_of_another_kind(client: FlaskClient, runs: Path) -> None:
    for number, name in damaged_documents(runs, 1_000, 4):
        look(client, (number, name))


@pytest.mark.medium
def test_forty_files_with_a_flipped_byte(client: FlaskClient, runs: Path) -> None:
    chance = random.Random(5)
    for number in range(40):
        name = chance.choice(FILES)
        path = stranger(runs) / name
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        look(client, (number, name))


@pytest.mark.parametrize("line", ["1,nan,nan,nan,nan", "1,inf,1,1,1", "-5,1e300,1,1,1", "x,1,1,1,1", "1,2", "\xff"])
def test_a_damaged_history_is_said_on_the_runs_page(client: FlaskClient, runs: Path, line: str) -> None:
    head = "epoch,accuracy,loss,val_accuracy,val_loss\n"
    (stranger(runs) / "history.csv").write_text(head + line + "\n", encoding="latin-1")
    look(client, line)
    assert "history.csv" in client.get(f"/runs/{BAD}").get_data(as_text=True)
    assert client.get(f"/api/v1/runs/{BAD}").json["history"] is None


def test_lines_that_cannot_be_read_are_counted(client: FlaskClient, runs: Path) -> None:
    path = stranger(runs) / "mistakes.json"
    lines = json.loads(path.read_text())
    path.write_text(json.dumps([*lines, {"sha256": 5, "title": ["x"]}, None, {**lines[0], "label": "7"}]))
    text = client.get(f"/runs/{BAD}").get_data(as_text=True)
    assert "3 lines of the run&#39;s mistakes.json cannot be read." in text
    assert text.count("% sure") == len(lines)


def test_a_broken_run_says_why_and_classifies_nothing(client: FlaskClient, runs: Path) -> None:
    (stranger(runs) / "metrics.json").write_text("[")
    for page in ("/runs", f"/runs/{BAD}"):
        text = client.get(page).get_data(as_text=True)
        assert "broken" in text
        assert "metrics.json" in text
    answer = client.get(f"/compare?run={BAD}&run={GOOD}")
    assert answer.status_code == 409
    assert f"Run {BAD} is broken: " in answer.get_data(as_text=True)
    assert client.get("/api/v1/runs").json["latest"] == GOOD, "the newest whole run speaks for the studio"


@pytest.mark.parametrize(
    "name", ["x" * 200, "a b%2F<script>", "újra", "no\nline", b"\xff\xfe".decode("utf-8", "surrogateescape")]
)
def test_a_strange_name_of_a_folder_breaks_no_page(client: FlaskClient, runs: Path, name: str) -> None:
    shutil.copytree(runs / GOOD, runs / name)
    for page in ("/", "/runs", "/classify", "/review"):
        answer = client.get(page)
        assert answer.status_code == 200, page
        check(answer.get_data(as_text=True))
    assert len(client.get("/api/v1/runs").json["runs"]) == 2


def test_a_run_reaches_no_file_beside_its_dataset(client: FlaskClient, runs: Path, tmp_path: Path) -> None:
    """A stranger's run may name any file of this machine as a picture of its dataset."""
    import hashlib

    from tests.model.conftest import draw

    secret = draw(1, 5)
    (tmp_path / "secret.png").write_bytes(secret)
    sha256 = hashlib.sha256(secret).hexdigest()
    folder = stranger(runs)
    lines = (folder / "manifest.csv").read_text().splitlines()
    fields = lines[1].split(",")
    known = fields[4]
    for place in ("../secret.png", str(tmp_path / "secret.png")):
        changed = lines[1].replace(fields[0], place, 1).replace(known, sha256)
        (folder / "manifest.csv").write_text("\n".join([lines[0], changed, *lines[2:]]) + "\n")
        assert client.get(f"/runs/{BAD}/pictures/{sha256}").status_code == 404, place


def test_a_value_that_json_does_not_have_is_null() -> None:
    assert plain({"a": [float("nan"), 1.5, "\ud800"], 3: None}) == {"a": [None, 1.5, "?"], "3": None}
