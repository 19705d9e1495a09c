"""A short, seeded form of the fuzzing: only typed errors, within two CPU-seconds and 500 MB an input."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.running import Finding, fuzz
from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]


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


def test_coverage_leads_to_new_branches_and_breaks_nothing(tmp_path):
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz.guided", "folding", "--inputs", "2000", "--keep", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = re.search(r"new_units_added: +(\d+)", ended.stderr)
    assert found is not None
    assert int(found[1]) > 5
    assert list(tmp_path.iterdir()) == []
