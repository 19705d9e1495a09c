"""Dedupe by workers: pairs of blocks give the pairs of the whole, and what is not known changes nothing."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from stj_catalog.dedupe import dedupe
from stj_catalog.schema import images, likenesses
from stj_core.cli import outcome
from stj_core.errors import CatalogError
from stj_dataset.cli import app
from stj_images import likeness_blocks
from stj_images.likeness import Looks, Thresholds, likenesses_among
from stj_images.likeness_blocks import count_pairs, likenesses_by
from tests.workers import Inline, elsewhere, inline, kill_one

from .crawling import Card, Walk, print_of, state_of

RULE, STRICT = Thresholds(), Thresholds(duplicate=1, duplicate256=1, related=1, related256=1)


@pytest.fixture
def crawled(catalog, catalog_url, monkeypatch):
    """Pictures with copies of themselves, nearer ones and farther ones, in blocks of seven."""
    monkeypatch.setattr(likeness_blocks, "BLOCK", 7)
    monkeypatch.setenv("STJ_CATALOG", catalog_url)
    walk = Walk(catalog)
    for seed in range(12):
        near = [Card(f"{seed}-{bits}", print_of(seed, near=bits, size=(60, 80 + bits))) for bits in (0, 4, 9)]
        walk.page(near)
    return catalog


def looks_of(catalog):
    from stj_catalog.incremental import LOOKS

    with catalog.read() as connection:
        return Looks.from_hex([tuple(row) for row in connection.execute(select(*LOOKS).order_by(images.c.id))])


def pairs_of(catalog):
    with catalog.read() as connection:
        return sorted(tuple(row) for row in connection.execute(select(likenesses)))


def by_pair(found):
    return sorted((one.a, one.b, one.kind, one.way, one.exact, one.distance, one.distance256) for one in found)


def test_pairs_of_blocks_are_the_pairs_of_the_whole(crawled):
    looks, done = looks_of(crawled), []
    wanted = by_pair(likenesses_among(looks, RULE))
    assert len(wanted) >= 12
    workers = Inline(here=False)
    assert by_pair(likenesses_by(workers, looks, RULE, done.append)) == wanted
    assert len(workers.done) == sum(done) == count_pairs(len(looks)) == 21
    assert len({one.name for one in workers.done}) == 21


def test_no_picture_is_no_block(crawled):
    assert list(likenesses_by(Inline(), Looks.from_hex([]), RULE)) == []


def test_workers_change_what_would_be_changed_without_them(crawled):
    dedupe(crawled, STRICT)
    report, _ = dedupe(crawled, RULE, dry_run=True)
    assert report.changes
    assert dedupe(crawled, RULE, workers=Inline())[0] == report
    assert not dedupe(crawled, RULE)[0].changes
    assert not dedupe(crawled, RULE, workers=Inline())[0].regrouped


def test_where_workers_failed_nothing_is_changed(crawled):
    dedupe(crawled, STRICT)
    before, pairs = state_of(crawled), pairs_of(crawled)
    told = r"Workers failed three times to compare 1 of 21 pairs of blocks \(KilledWorker: it died\), so no status"
    workers = Inline(fails=lambda place: place == 4)
    with pytest.raises(CatalogError, match=told):
        dedupe(crawled, RULE, workers=workers)
    assert len(workers.done) == 21
    assert (state_of(crawled), pairs_of(crawled)) == (before, pairs)


def answer(capsys, *options):
    capsys.readouterr()
    code = outcome(app, ["dedupe", "--dry-run", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_asks_the_workers_that_are_named(crawled, capsys, monkeypatch):
    wanted = answer(capsys)
    with inline(workers := Inline(), monkeypatch):
        assert answer(capsys, "--cluster", "local:2") == wanted
    assert len(workers.done) == 21


@pytest.mark.slow
def test_dedupe_is_the_same_with_any_number_of_workers_and_one_killed(crawled, capsys, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    dedupe(crawled, STRICT)
    wanted = answer(capsys)
    assert wanted[1]["changes"]
    for number in (1, 2, 3):
        assert answer(capsys, "--cluster", f"local:{number}") == wanted
    with elsewhere() as address:
        assert answer(capsys, "--cluster", address) == wanted
    kill_one(monkeypatch, tmp_path / "mark")
    assert answer(capsys, "--cluster", "local:2") == wanted
    assert (tmp_path / "mark").exists()
