"""A folder that takes another's place: whole, or as it was before, whatever an earlier process has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from stj_core.folders import before_of, swapped


def folder(path: Path, said: str) -> Path:
    path.mkdir()
    (path / "word").write_text(said)
    return path


@pytest.mark.parametrize("left_behind", [False, True], ids=["clean", "after a process that died"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "over an older one"])
def test_a_folder_takes_its_place_whole_and_leaves_nothing_beside_it(tmp_path: Path, *, left_behind: bool, there: bool):
    target = tmp_path / "target"
    if there:
        folder(target, "old")
    if left_behind:
        folder(before_of(target), "older still")
    with swapped(folder(tmp_path / "part", "new"), target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (target / "word").read_text() == "new"


@pytest.mark.parametrize("left_behind", [False, True], ids=["clean", "after a process that died"])
def test_what_was_there_comes_back_when_anything_fails(tmp_path: Path, *, left_behind: bool):
    target = folder(tmp_path / "target", "old")
    if left_behind:
        folder(before_of(target), "older still")
    with pytest.raises(ZeroDivisionError), swapped(folder(tmp_path / "part", "new"), target):
        _ = 1 / 0
    assert (target / "word").read_text() == "old"
    assert not before_of(target).exists()
