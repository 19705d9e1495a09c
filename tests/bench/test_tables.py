"""A page keeps what people wrote, a command is weighed with its children, and a table says medians, spread and ratios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.tables import Spent, Way, in_turns, table, weigh, write_page
from tests.conftest import ROOT

# A child that holds 60 MB for a moment and burns some CPU, of a parent that holds little.
FAMILY = """
import subprocess, sys
code = "import time; held = b'x' * 60_000_000; until = time.process_time() + 0.3\\nwhile time.process_time() < until: pass"
subprocess.run([sys.executable, "-c", code], check=True)
print("done")
"""


def test_a_command_is_weighed_with_all_that_it_starts() -> None:
    spent = weigh([sys.executable, "-c", FAMILY])
    assert spent.said == "done\n"
    assert spent.cpu >= 0.3
    assert spent.megabytes >= 65
    assert spent.seconds >= 0.3


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3: no such thing"):
        weigh([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"])


def test_ways_take_turns_after_a_round_that_does_not_count(tmp_path: Path) -> None:
    code = "import sys; open('order', 'a').write(sys.argv[1])"
    ways = [Way(name, [sys.executable, "-c", code, name]) for name in "ab"] + [Way("c", [], missing="not here")]
    in_turns(ways, 2, tmp_path)
    assert (tmp_path / "order").read_text() == "ab" + "ab" + "ba"
    assert [len(way.runs) for way in ways] == [2, 2, 0]


def test_a_table_says_the_median_the_spread_and_the_ratio_of_ours() -> None:
    ours = Way("ours", [], [Spent(1, 2, 10), Spent(3, 4, 30), Spent(2, 9, 20)])
    peer = Way("peer", [], [Spent(4, 8, 50)])
    gone = Way("gone", [], missing="could not be installed here")
    assert table([ours, peer, gone], {"cpu": "CPU-s", "megabytes": "MB"}).splitlines() == [
        "| | CPU-s | MB | runs | ours / this |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 4.00 (2.00–9.00) | 20 (10–30) | 3 | 1.00 |",
        "| peer | 8.00 (8.00–8.00) | 50 (50–50) | 1 | 0.50 |",
        "| gone | could not be installed here | | | |",
    ]


def test_what_people_wrote_around_the_marks_stays(tmp_path: Path) -> None:
    page = write_page("starts", "What a start costs", "first", tmp_path)
    page.write_text(page.read_text().replace("# What a start costs", "# Mine\n\nBefore.") + "\nAfter.\n")
    write_page("starts", "What a start costs", "second", tmp_path)
    text = page.read_text()
    assert text.startswith("# Mine\n\nBefore.")
    assert "second" in text
    assert "first" not in text
    assert text.endswith("\nAfter.\n")


@pytest.mark.slow
def test_a_few_nights_of_the_year_go_as_they_should(tmp_path: Path) -> None:
    """In a process of its own: it forks, and changes where it is."""
    command = [sys.executable, "-m", "bench.year", "--nights", "4", "--json", "year.json", "--report", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    year = json.loads((tmp_path / "year.json").read_text())
    assert [one["code"] for one in year["nights"]] == [0, 0, 0, 0]
    assert year["months"][0]["pictures"] >= 58
    assert year["months"][0]["moved"] == 0
    sightings = [one["sightings"] for one in year["nights"]]
    assert sightings == sorted(set(sightings))
    assert "| sightings |" in (tmp_path / "year.md").read_text()
    assert (tmp_path / "year.png").stat().st_size > 5000
