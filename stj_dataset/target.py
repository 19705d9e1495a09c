"""Whether a folder may be written by an export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from stj_core.errors import DatasetError
from stj_core.folders import before_of
from stj_dataset.manifest import SETTINGS

MADE_BY = "stj-dataset"


def check_target(out: Path) -> Path:
    """The folder that `out` means, if it may be written.

    Raises:
        DatasetError: it is a file, or a folder that no export made.
    """
    target = out.resolve()
    _restore(target)
    if target.exists() and not _ours(target):
        kind = "folder that stj-dataset did not make" if target.is_dir() else "file"
        raise DatasetError(f"{out} is a {kind}, so it is left alone: name another folder, or move it away.")
    return target


def is_dataset(folder: Path) -> bool:
    """Whether an export made this folder."""
    try:
        document = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("made_by") == MADE_BY


def _ours(target: Path) -> bool:
    return target.is_dir() and (is_dataset(target) or not any(target.iterdir()))


def _restore(target: Path) -> None:
    """Bring back the folder of an export that died between its two renames."""
    before = before_of(target)
    if before.exists() and is_dataset(before):
        if target.exists():
            shutil.rmtree(before, ignore_errors=True)
        else:
            before.rename(target)
