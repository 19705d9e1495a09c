"""What README and the pages of docs/performance say was written by their scripts, and fits together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.__main__ import BENCHES
from bench.tables import PERFORMANCE, README_BEGIN, README_END, write_headlines
from tests.conftest import ROOT

PAGES = sorted(PERFORMANCE.glob("*.md"))
HEADLINES = json.loads((PERFORMANCE / "headlines.json").read_text(encoding="utf-8"))
MARKS = re.compile(
    r"<!-- written by bench[ .](?P<by>[^:]+): begin -->\n(?P<text>.*?)\n<!-- written by bench[ .](?P=by): end -->",
    re.DOTALL,
)
ELSEWHERE = {"hosts", "simulate", "year", "training"}
"""Scripts of their own, or pages of which bench writes a part."""


def cells(page: str, name: str, column: str) -> str:
    """What a page's table has for a row in the column whose title begins so."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    head = next(line for line in lines if any(cell.strip().startswith(column) for cell in line))
    place = next(number for number, cell in enumerate(head) if cell.strip().startswith(column))
    # The first cell of the head is empty, and falls to the stripping.
    return next(line[place + 1] for line in lines if line[0] == name)


def test_readme_s_table_is_the_one_that_the_headlines_give(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    copy = tmp_path / "README.md"
    copy.write_text(text, encoding="utf-8")
    write_headlines(readme=copy)
    assert copy.read_text(encoding="utf-8") == text
    assert text.count(README_BEGIN) == text.count(README_END) == 1


@pytest.mark.parametrize("name", sorted(HEADLINES))
def test_a_headline_is_the_ratio_of_its_page_s_medians(name: str) -> None:
    page = (PERFORMANCE / f"{name}.md").read_text(encoding="utf-8")
    # The headline is the first table's.
    first = next(
        line.split(" | ")[0].strip("| ")
        for line in page.splitlines()
        if line.startswith("|") and line.endswith(" 1.00 |")
    )
    ours = float(cells(page, first, "CPU").split(" (")[0])
    for peer, ratio in HEADLINES[name]["ratios"].items():
        theirs = float(cells(page, peer, "CPU").split(" (")[0])
        # Medians are printed to a hundredth.
        assert (ours - 0.005) / (theirs + 0.005) - 0.005 <= ratio <= (ours + 0.005) / (theirs - 0.005) + 0.005, peer


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_s_figures_stand_between_the_marks_of_its_script(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page.stem in {*BENCHES, *ELSEWHERE}
    written = [found["by"].partition(",")[0] for found in MARKS.finditer(text)]
    assert written, "nothing stands between marks"
    assert set(written) == {page.stem}
    assert all(found["text"].startswith("`") for found in MARKS.finditer(text)), "the command comes first"
    by_hand = re.sub(r"\]\([^)]*\)", "", MARKS.sub("", text))
    assert not re.findall(r"\d", by_hand), "a figure was written by hand"


def test_every_page_has_its_bench_and_every_bench_that_was_run_its_page() -> None:
    pictures = {
        Path(name).name
        for page in PAGES
        for name in re.findall(r"\]\(([\w.-]+\.png)\)", page.read_text(encoding="utf-8"))
    }
    assert pictures == {file.name for file in PERFORMANCE.glob("*.png")}
    assert {"crawl", "exports", "fingerprints", "growth", "neighbours", "predictions", "starts", "studio"} <= {
        page.stem for page in PAGES
    }
