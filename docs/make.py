"""Write the pages that are made from the program itself: `python -m docs.make`; `--check` only says whether they are fresh."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.api_pages import api_md
from docs.catalog_pages import catalog_md, metadata_yaml
from docs.cli_pages import cli_md
from docs.notebook import notebook_text
from docs.student_notebook import notebook_text as student_text

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "docs/api.md": api_md,
    "docs/catalog.md": catalog_md,
    "docs/cli.md": cli_md,
    "notebooks/stj.ipynb": notebook_text,
    "notebooks/student.ipynb": student_text,
    "stj/template/metadata.yaml": metadata_yaml,
}


def stale_pages() -> list[str]:
    """Pages whose file is not what the program says now."""
    return [name for name, made in PAGES.items() if not _is(ROOT / name, made())]


def main() -> int:
    """Write the pages, or check them."""
    if "--check" in sys.argv[1:]:
        stale = stale_pages()
        sys.stderr.writelines(f"{name} is stale: run make docs\n" for name in stale)
        return bool(stale)
    for name, made in PAGES.items():
        (ROOT / name).write_text(made(), encoding="utf-8")
    return 0


def _is(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
