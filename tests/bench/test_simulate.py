"""What is simulated follows from what was measured, and a run from end to end writes its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import simulate
from bench.simulate import Constants, crawl, crawled_cpu, first_broken, main, report

CHEAP = Constants(
    lock_seconds=0.1,
    lock_seconds_per_million=0.0,
    search_seconds=0.0,
    search_seconds_per_million=1e-4,
    tail_seconds=0.0,
    bands_seconds_per_million=0.5,
    index_bytes=32,
    row_bytes=1_000,
    picture_bytes=75_000,
    fingerprint_seconds=0.005,
    crawl_seconds=0.01,
)


def test_where_nothing_is_scarce_the_pace_of_the_shops_decides() -> None:
    found = crawl(CHEAP, 1e6, hosts=10, pace=0.25, cores=2)
    assert found.rate == pytest.approx(10 / 0.25, rel=0.02)
    assert found.lock_share == pytest.approx(10 * 0.1 / 25, rel=0.05)
    assert found.waited < 0.1


def test_where_the_lock_is_scarce_it_decides_however_many_hosts_there_are() -> None:
    dear = replace(CHEAP, lock_seconds=2.0)
    rates = [crawl(dear, 1e6, hosts, pace=0.25, cores=2).rate for hosts in (20, 50, 100)]
    assert rates == pytest.approx([50.0, 50.0, 50.0], rel=0.02)
    assert crawl(dear, 1e6, 50, pace=0.25, cores=2).lock_share == pytest.approx(1, abs=0.02)


def test_a_slow_processor_and_a_long_search_hold_a_host_back() -> None:
    assert crawl(replace(CHEAP, crawl_seconds=2.0), 1e6, 1, pace=0.25, cores=2).rate == pytest.approx(1, rel=0.02)
    slow = replace(CHEAP, search_seconds_per_million=1.0)
    assert crawl(slow, 1e6, 1, pace=0.25, cores=2).rate == pytest.approx(100 / 300, rel=0.02)


def test_what_breaks_is_in_the_order_in_which_it_does() -> None:
    growing = replace(CHEAP, lock_seconds_per_million=0.1)
    (memory, first), (lock, second) = first_broken(growing, 1e8, hosts=50, pace=0.25, cores=2, memory=1e8)
    assert (memory, lock) == (pytest.approx(1e8 / 32), pytest.approx(4e6))
    assert "hashes in each crawl process" in first
    assert "lock of page commits" in second
    # There the lock is held all the time, and no later.
    assert (
        crawl(growing, lock * 0.9, 50, 0.25, 2).lock_share < 0.97 <= crawl(growing, lock * 1.1, 50, 0.25, 2).lock_share
    )
    assert first_broken(CHEAP, 1e6, hosts=10, pace=0.25, cores=2, memory=1e9) == []
    assert "Nothing breaks." in report(CHEAP, 1_000_000, 10, 0.25, 2, 1e9)


@pytest.mark.medium
def test_a_small_run_measures_and_writes_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[Constants] = []
    real = simulate.measure
    monkeypatch.setattr(simulate, "measure", lambda rows: measured.append(real(rows, 3)) or measured[0])
    main(["--rows", "2000", "--pictures", "1000000", "--hosts", "5", "--to", str(tmp_path)])
    text = (tmp_path / "simulate.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert f"| fingerprint_seconds | {measured[0].fingerprint_seconds:.6g} |" in text
    # Lines through two sizes, of which the smaller one may have taken longer.
    lines = {"lock_seconds", "lock_seconds_per_million", "search_seconds", "search_seconds_per_million"}
    assert all(value >= 0 if name in lines else value > 0 for name, value in vars(measured[0]).items())
    assert "| 1,000,000 | " in text


def test_a_page_that_does_not_say_is_no_constant(tmp_path: Path) -> None:
    (tmp_path / "crawl.md").write_text("| STJ | n/a |\n")
    with pytest.raises(ValueError, match="does not say what a crawled picture costs"):
        crawled_cpu(tmp_path / "crawl.md")
