"""How far a long work says it is where nobody watches a bar."""

from __future__ import annotations

import itertools

import pytest

from stj_core import console
from stj_core.console import SILENT, Talk


def lines_of(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    seconds: float,
    *,
    tenths: bool = True,
) -> list[str]:
    """What a work of `steps` says that take `seconds` each."""
    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with Talk().bar("Counting", steps, tenths=tenths) as advance:
        for _ in range(steps):
            advance(1)
    return capsys.readouterr().err.splitlines()


def test_a_long_work_says_every_tenth(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    found = lines_of(capsys, monkeypatch, 200, 1)
    assert found[0] == "Counting …"
    assert found[1] == "Counting: 20 of 200 (10%, 20 s)"
    assert [line.partition(":")[2].partition(" of")[0].strip() for line in found[1:]] == [
        str(20 * n) for n in range(1, 11)
    ]


def test_a_slow_work_says_every_thirty_seconds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    found = lines_of(capsys, monkeypatch, 1000, 7, tenths=False)
    assert found[1:3] == ["Counting: 5 of 1,000 (0%, 35 s)", "Counting: 10 of 1,000 (1%, 70 s)"]
    assert len(found) == 1 + 200


def test_a_short_work_says_only_what_it_does(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    assert lines_of(capsys, monkeypatch, 50, 0.01) == ["Counting …"]
    assert lines_of(capsys, monkeypatch, 0, 0.01) == ["Counting …"]


def test_silence_is_kept(capsys: pytest.CaptureFixture[str]):
    with SILENT.bar("Counting", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
