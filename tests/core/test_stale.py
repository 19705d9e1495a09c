"""A mark that cannot be read names no picture, and ends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from stj_catalog.traces import _thin_json
from stj_core.stale import STALE, stale_checksums


@pytest.mark.parametrize("mark", ["[" * 100_000, '{"sha256":' * 100_000, "{", "[]", '{"sha256": 3}'])
def test_a_mark_that_is_damaged_names_no_picture(tmp_path: Path, mark: str) -> None:
    (tmp_path / STALE).write_text(mark)
    assert stale_checksums(tmp_path) == set()


@pytest.mark.parametrize("depth", [600, 100_000])
def test_a_json_file_too_deep_to_be_written_without_a_name_goes(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "told.json"
    file.write_text("[" * depth + '"secret"' + "]" * depth)
    _thin_json(file, ["secret"])
    assert not file.exists() or "secret" not in file.read_text()
