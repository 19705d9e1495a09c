"""Working out anew beside a crawl: what is written is what would have been without it, and nobody waits long."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

import stj_catalog.dedupe as module
from stj_catalog.dedupe import dedupe
from stj_catalog.schema import images, likenesses
from stj_core.cli import outcome
from stj_dataset.cli import app
from stj_images.likeness import Thresholds

from .crawling import Card, Walk, assert_lawful, print_of, state_of

RULE, STRICT = Thresholds(), Thresholds(duplicate=1, duplicate256=1, related=1, related256=1)


def crawl(catalog, *seeds, near=4, spider="test"):
    """Pictures with a smaller copy each."""
    walk = Walk(catalog, spider=spider)
    for seed in seeds:
        copy = print_of(seed, near=near, size=(60, 80))
        walk.page([Card(f"a{seed}", print_of(seed), asin=f"B{seed}"), Card(f"b{seed}", copy)])
    return walk


@pytest.mark.parametrize("step", ["_correct_likenesses", "_decide_again", "_group_again"])
def test_what_comes_between_two_steps_ends_as_if_it_had_come_before_or_after(catalog, monkeypatch, step):
    crawl(catalog, 1, 2, 3)
    dedupe(catalog, STRICT)
    real = getattr(module, step)

    def interrupted(*arguments):
        crawl(catalog, 4, spider="beside")
        Walk(catalog, spider="again").page(
            [Card("c1", print_of(1, near=2, size=(30, 40))), Card("e", print_of(9), asin="B2")]
        )
        return real(*arguments)

    monkeypatch.setattr(module, step, interrupted)
    dedupe(catalog, RULE)
    monkeypatch.undo()
    assert_lawful(catalog)
    found = state_of(catalog)
    report, _ = dedupe(catalog, RULE)
    assert (report.changes, report.regrouped) == ([], 0)
    assert state_of(catalog) == found
    with catalog.read() as connection:
        groups = dict(connection.execute(select(images.c.image_key, images.c.group_id)).all())
    names = {key.rsplit("/", 1)[-1]: group for key, group in groups.items()}
    assert names["a1.jpg"] == names["b1.jpg"] == names["c1.jpg"]
    assert names["a2.jpg"] == names["e.jpg"], "one product"


def test_a_picture_that_was_fetched_anew_meanwhile_keeps_its_own_likenesses(catalog, monkeypatch):
    crawl(catalog, 1)
    with catalog.write() as connection:
        connection.execute(likenesses.delete())
    real = module.likenesses_among

    def moved(looks, thresholds):
        found = list(real(looks, thresholds))
        with catalog.write() as connection:
            connection.execute(update(images).where(images.c.id == 2).values(compared=None))
        return found

    monkeypatch.setattr(module, "likenesses_among", moved)
    dedupe(catalog, RULE)
    with catalog.read() as connection:
        assert connection.execute(select(likenesses)).all() == []


def test_a_dry_run_says_what_a_run_does_and_writes_nothing(catalog):
    crawl(catalog, 1, 2)
    before = state_of(catalog)
    said, _ = dedupe(catalog, STRICT, dry_run=True)
    assert state_of(catalog) == before
    done, _ = dedupe(catalog, STRICT)
    assert said == done
    assert len(done.changes) == 2


def test_a_backup_stays_where_pictures_moved_and_only_there(catalog, tmp_path):
    if not catalog.is_sqlite:
        pytest.skip("PostgreSQL has backups of its own")
    crawl(catalog, 1)
    assert outcome(app, ["dedupe"]) == 0
    assert list(tmp_path.glob("*.before-*")) == []
    with catalog.write() as connection:
        connection.execute(likenesses.delete())
        connection.execute(update(images).values(status="kept", duplicate_of=None, duplicate_kind=None, distance=None))
    assert outcome(app, ["dedupe"]) == 0
    assert len(list(tmp_path.glob("*.before-dedupe-*"))) == 1
    assert list(tmp_path.glob(".dedupe-*")) == []
