"""Numbers for Prometheus: read off the catalogue, and readable by Prometheus' own parser."""

from __future__ import annotations

import pytest

from stj_catalog.frontier import add_page, lease_page
from stj_catalog.metrics import metrics_text
from stj_catalog.pace import cool_down, take_turn
from tests.catalog.crawling import ORIGIN, Card, Walk, print_of


def numbers(text):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client: pip install 'stj[web]'")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_catalogue(catalog):
    assert numbers(metrics_text(catalog)) == {("stj_frontier_leases_overdue",): 0}
    walk = Walk(catalog, spider='odd "name"\\')
    walk.page([Card("a", print_of(1)), Card("a2", print_of(1, size=(60, 80))), Card("x", None, failure="timeout")])
    with catalog.write() as connection:
        for number in (2, 3, 4):
            add_page(connection, walk.crawl.id, "listing", number, f"{ORIGIN}/{number}")
    lease_page(catalog, walk.crawl.id, 60, max_listing=9)
    lease_page(catalog, walk.crawl.id, -1, max_listing=9)
    for _ in range(2):
        take_turn(catalog, "shop.test", "pages of shop.test", 40.0)
    cool_down(catalog, "shop.test", 30.0, 0.0)
    found = numbers(metrics_text(catalog))
    spider = 'odd "name"\\'
    assert found["stj_catalogue_pictures", "kept"] == 1
    assert found["stj_catalogue_pictures", "duplicate"] == 1
    assert found["stj_crawls", spider, "running"] == 1
    assert found["stj_frontier_pages", spider, "listing", "done"] == 1
    assert found["stj_frontier_pages", spider, "listing", "leased"] == 2
    assert found["stj_frontier_pages", spider, "listing", "pending"] == 1
    assert found["stj_frontier_leases_overdue",] == 1
    assert found["stj_pages_answered", "ok"] == 1
    assert 0 <= found["stj_last_page_age_seconds",] < 60
    assert 29 < found["stj_host_cooling_seconds", "shop.test"] <= 30
    assert found["stj_host_blocks", "shop.test", "page"] == 1
    assert 39 < found["stj_lane_wait_seconds", "shop.test", "pages of shop.test"] <= 40


def test_the_command_writes_the_file_whole(catalog, tmp_path, capsys):
    if not catalog.is_sqlite:
        pytest.skip("one database is enough for the command")
    from stj_core.cli import outcome
    from stj_dataset.cli import app

    assert outcome(app, ["metrics", "--out", "there/stj.prom"]) == 0
    assert outcome(app, ["metrics"]) == 0
    assert capsys.readouterr().out == (tmp_path / "there" / "stj.prom").read_text()
