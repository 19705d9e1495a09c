"""A short, seeded form of the fuzzing: only typed errors, within two CPU-seconds and 500 MB an input."""

from __future__ import annotations

import pytest

from tests.fuzz.running import Finding, fuzz
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name):
    number = 60 if name == "parsers" else 250
    assert [str(finding) for finding in fuzz(name, TARGETS[name], 1, number)] == []


def test_what_breaks_is_found():
    def break_down(data: bytes) -> None:
        if b"\0" in data:
            raise ZeroDivisionError("it broke")

    (first, *_) = fuzz("a bad reader", Target(lambda: [b"good"], break_down), 1, 200)
    assert isinstance(first, Finding)
    assert "ZeroDivisionError: it broke (break_down, line " in first.what
    assert b"\0" in first.data
