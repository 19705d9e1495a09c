"""`stj init`: a folder in which every command works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from stj_core.cli import emit
from stj_core.errors import UsageError

_TEMPLATE = Path(__file__).with_name("template")
FILES = {
    "scrapy.cfg": _TEMPLATE / "scrapy.cfg",
    "labels.toml": None,  # the ground's own
    "metadata.yaml": _TEMPLATE / "metadata.yaml",
    ".gitignore": _TEMPLATE / "gitignore",
    "README.md": _TEMPLATE / "README.md",
}


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to prepare; it is made where there is none.")] = Path(),
) -> None:
    """Prepare a folder: scrapy.cfg, labels.toml, .gitignore, and a README of what comes next.

    A file that is there already stays as it is.
    """
    for name, outcome in prepare(folder):
        emit(f"{outcome:<8} {folder / name}")
    emit(f"Next, in {folder.resolve()}: stj doctor, then stj demo; README.md says what else there is.")


def prepare(folder: Path) -> Iterator[tuple[str, str]]:
    """Write the files of `FILES` that `folder` lacks.

    Yields:
        each file's name, and `written`, `same` (it was there already) or `kept` (something else was there, and still is).

    Raises:
        UsageError: the folder is a file, or cannot be written.
    """
    from stj_core.files import write_bytes
    from stj_core.labels import DEFAULT_LABELS

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            content, target = (source or DEFAULT_LABELS).read_bytes(), folder / name
            if target.is_symlink() or target.exists():
                yield name, "same" if target.is_file() and target.read_bytes() == content else "kept"
            else:
                write_bytes(target, content)
                yield name, "written"
    except OSError as error:
        raise UsageError(
            f"Cannot prepare {folder} ({error.filename}: {error.strerror}): name a folder that you may write to."
        ) from error
