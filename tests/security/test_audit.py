"""The audit itself: a weak place is found, an acceptance needs a reason, and the threat page names tests that are there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.security.audit import findings, judge
from tests.test_packaging import declared

WEAK = """
import subprocess

def weak(word, name):
    assert word == "open sesame"
    assert name is not None
    assert isinstance(name, str)
    return subprocess.run(name, shell=True)
"""
ENTRY = '[[accepted]]\ntest = "{test}"\nroom = "{room}"\nreason = "{reason}"\n'


def test_a_weak_place_is_found_unless_it_is_accepted_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "weak.py").write_text(WEAK, encoding="utf-8")
    found = findings(tmp_path, ["weak.py"])
    assert [(one.test, one.line) for one in found] == [("B404", 2), ("B101", 5), ("B602", 8)]
    accepted = tmp_path / "accepted.toml"
    accepted.write_text(
        ENTRY.format(test="B404", room="weak.py", reason="a test needs it")
        + ENTRY.format(test="B101", room="weak.py", reason="")
        + ENTRY.format(test="B310", room="weak.py", reason="it was there once")
    )
    wrong = judge(found, accepted)
    assert [line.partition(": ")[2][:18] for line in wrong] == [
        "B602 subprocess ca",
        "nothing there any ",
        "no reason: {'test'",
    ]


def test_every_promise_of_the_threat_page_names_a_test_that_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/threats.md").read_text(encoding="utf-8"))
    assert len(named) >= 25
    missing = []
    for file, name in named:
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}::{name}")
    assert missing == []


@pytest.mark.medium
def test_the_list_of_packages_names_all_that_are_installed(tmp_path: Path) -> None:
    """As `make sbom` writes it: CycloneDX, with a version and an address for each, and no path of this machine."""
    file = tmp_path / "sbom.json"
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "environment",
        sys.prefix,
        "--no-validate",  # checking itself against the schema takes half a minute, which make sbom does
        "--output-reproducible",
        "-o",
        str(file),
    ]
    subprocess.run(command, check=True, capture_output=True)
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(one["name"]): one for one in document["components"]}
    assert declared() - set(listed) == set()
    assert all(one["version"] for one in listed.values())
    assert sys.prefix not in file.read_text(encoding="utf-8")
