"""A damaged run is one sentence and exit code 1 where it is asked, one marked line in lists, and never a wrong answer."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stj_core.cli import outcome
from stj_model.cli import app
from stj_model.run_dir import Run

pytestmark = pytest.mark.timeout(120)  # what waits for a pipe waits for ever

READ_BY_LISTS = (
    "config.json",
    "metrics.json",
    "labels.json",
    "calibration.json",
    "model.keras",
    "neighbours.npz",
    "manifest.csv",
)
NEEDED = ("config.json", "labels.json", "calibration.json", "model.keras", "neighbours.npz", "manifest.csv")


def flipped(share: float) -> Callable[[Path], object]:
    """What turns over one byte so far into a file."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[min(int(share * len(data)), len(data) - 1)] ^= 0x21
        path.write_bytes(data)

    return damage


def replaced(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """What puts something else in a file's place."""

    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(random.Random(1).randbytes(3_000)),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a list": lambda path: path.write_text("[1]"),
    "null": lambda path: path.write_text("null"),
    "deep": lambda path: path.write_text("[" * 200_000),
    "deep and whole": lambda path: path.write_text('{"figures": ' + "[" * 900 + "]" * 900 + "}"),
    "2 GB of nothing": replaced(lambda path: (path.touch(), os.truncate(path, 2 << 30))),
    "a folder": replaced(Path.mkdir),
    "a loop": replaced(lambda path: path.symlink_to(path.name)),
    "a pipe": replaced(os.mkfifo),
    "a device": replaced(lambda path: path.symlink_to("/dev/zero")),
    "zeros": lambda path: path.write_bytes(b"\0" * 500),
    **{f"a byte flipped at {share:.0%}": flipped(share) for share in (0, 0.3, 0.6, 1)},
}


def listed(runs: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """The lines of `stj-model runs`, and that it does not fail."""
    capsys.readouterr()
    assert outcome(app, ["runs", "--runs", str(runs), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return {line["name"]: line for line in json.loads(out)}


def restored(whole: Path, folder: Path) -> None:
    """A fresh copy of a run, its large files as links: who damages one puts another file in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)


@pytest.mark.parametrize("kind", [kind for kind in DAMAGES if not kind.startswith("a byte")])
def test_a_damaged_run_is_one_marked_line(kind: str, own_run: Run, capsys: pytest.CaptureFixture[str]):
    runs = own_run.folder.parent
    restored(own_run.folder, runs / "hurt")
    for name in READ_BY_LISTS:
        path, whole = runs / "hurt" / name, own_run.folder / name
        DAMAGES[kind](path)
        lines = listed(runs, capsys)
        assert lines["mine"]["status"] == "finished"
        assert (lines["hurt"]["status"], kind, name) == ("broken", kind, name) or name == "manifest.csv"
        reason = str(lines["hurt"]["reason"])
        assert "\n" not in reason
        assert (lines["hurt"]["status"] == "finished") == (reason == "")
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        shutil.copy(whole, path)
    assert listed(runs, capsys)["hurt"]["status"] == "finished"


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "2 GB of nothing"])
def test_an_unfinished_run_that_is_no_such_thing_is_still_a_line(
    kind: str, own_run: Run, capsys: pytest.CaptureFixture[str]
):
    runs = own_run.folder.parent
    folder = runs / ".unfinished" / "key"
    folder.mkdir(parents=True)
    for name in ("lock", "checkpoint.json"):
        (folder / name).touch()
        DAMAGES[kind](folder / name)
    assert listed(runs, capsys)[".unfinished/key"]["status"] == "interrupted"


def ask(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and the last line of stderr of a command."""
    capsys.readouterr()
    code = outcome(app, arguments)
    out, err = capsys.readouterr()
    return code, out, (err.splitlines() or [""])[-1]


@pytest.mark.medium
@pytest.mark.parametrize("kind", ["a pipe", "2 GB of nothing", "deep", "a byte flipped at 60%"])
def test_asking_a_damaged_run_is_one_sentence_or_the_right_answer(
    kind: str, own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    files = ("metrics.json", *(name for name in NEEDED if name != "model.keras"))
    _every(kind, files, own_run, drawn, capsys)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", list(DAMAGES))
def test_no_damage_to_any_file_is_answered_wrongly(
    kind: str, own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    files = sorted(path.name for path in own_run.folder.iterdir() if path.is_file())
    _every(kind, files, own_run, drawn, capsys)


def test_a_byte_that_changed_among_the_weights_is_noticed(
    own_run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]
):
    flipped(0.6)(own_run.folder / "model.keras")
    code, out, said = ask(["predict", str(own_run.folder), str(drawn / "test" / "0")], capsys)
    assert (code, out) == (1, "")
    assert said.startswith(f"{own_run.folder / 'model.keras'} cannot be loaded as a Keras model: ")
    assert said.endswith("is damaged.")


def _every(kind: str, files: Sequence[str], run: Run, drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage one file after the other; predict answers as before or fails with one sentence that names the run."""
    picture = str(min((drawn / "test" / "0").iterdir()))
    hurt = run.folder.parent / "hurt"
    restored(run.folder, hurt)
    right = ask(["predict", str(hurt), picture, "--json"], capsys)
    assert right[0] == 0
    for name in files:
        DAMAGES[kind](hurt / name)
        code, out, said = ask(["predict", str(hurt), picture, "--json"], capsys)
        if code == 0:
            assert json.loads(out)[0]["answer"] == json.loads(right[1])[0]["answer"], (kind, name)
        else:
            assert code == 1, (kind, name, said)
            assert out == ""
            assert str(hurt) in said, (kind, name, said)
        path = hurt / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        shutil.copy(run.folder / name, path)
