"""A short, seeded form of the chaos, and that each law is seen to be broken where it is."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stj_catalog.catalog import open_catalog
from stj_core.config import read_config
from tests.chaos.forking import ForkServer
from tests.chaos.laws import broken_at_the_end, broken_on_disk, broken_when_well
from tests.chaos.machine import ENDED_WELL, FIRST_KINDS, KINDS, failure_of
from tests.chaos.running import try_seed
from tests.chaos.shop import PAGE_LIES, PICTURE_LIES, RULES_LIES, Silence, Told, open_shop, photo
from tests.dataset.filling import Shelf, items


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """Forks the crawls; `make chaos` starts every tenth seed's as a person does."""
    with closing(ForkServer()) as found:
        yield found


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        (3, ("kill", "truncated catalogue")),
        (51, ("full disk", "ctrl-c twice")),
        pytest.param(13, ("read-only images", "images away"), marks=pytest.mark.slow),
        pytest.param(33, ("few handles", "garbled catalogue"), marks=pytest.mark.slow),
        pytest.param(54, ("read-only catalogue", "locked a while"), marks=pytest.mark.slow),
        pytest.param(101, ("clock back", "empty catalogue"), marks=pytest.mark.slow),
        pytest.param(102, ("little memory", "sigterm"), marks=pytest.mark.slow),
    ],
    ids=lambda one: ", ".join(one) if isinstance(one, tuple) else str(one),
)
def test_a_lying_shop_breaks_no_invariant(
    seed: int, kinds: tuple[str, ...], tmp_path: Path, server: ForkServer
) -> None:
    """Nor does a machine that fails: every crawl ends as it may, and once all is well every picture is there."""
    seen = try_seed(seed, tmp_path / "work", kinds, server=server)
    assert seen.broken == [], str(seen)
    assert seen.lies, "a shop that told the truth shows nothing"
    assert len(seen.crawls) >= 4


def test_every_kind_of_failure_can_be_drawn() -> None:
    """A seed gives the same failure each time, and what cannot end well says so."""
    for kind in {*FIRST_KINDS, *KINDS}:
        one, two = (failure_of(random.Random(3), kind) for _ in range(2))
        assert one == two
        assert one.allowed >= ENDED_WELL
        assert (kind == "kill") == (one.allowed > ENDED_WELL)


def test_each_lie_is_a_lie_and_is_told_the_same_for_the_same_seed() -> None:
    with open_shop(1, page_share=0.0, picture_share=0.0) as shop:
        true = {True: Told(shop.listing(1, random.Random(1))), False: Told(photo(1, 1), kind="image/jpeg")}
        for lies, page in ((PAGE_LIES, True), (PICTURE_LIES, False), (RULES_LIES, True)):
            for name, lie in lies.items():
                told = []
                for _ in range(2):
                    try:
                        told.append(lie(random.Random(5), true[page], shop))
                    except Silence as silence:
                        told.append(silence.seconds)
                assert told[0] == told[1] != true[page], name


@pytest.fixture
def shelf(blank_catalog: Path, tmp_path: Path) -> Shelf:
    """A small good catalogue with its pictures."""
    shutil.copyfile(blank_catalog, tmp_path / "catalog.sqlite")
    catalog = open_catalog(read_config().catalog_url)
    found = Shelf(catalog, tmp_path)
    found.add(items(2))
    catalog.close()
    return found


def test_a_good_folder_breaks_no_law(shelf: Shelf) -> None:
    assert broken_on_disk(shelf.root) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            "UPDATE images SET sha256 = replace(sha256, substr(sha256, 1, 4), 'ffff') WHERE id = 1",
            "are not those of its name",
        ),
        ("UPDATE images SET path = 'aa/none.jpg' WHERE id = 1", "is kept and has no file"),
        ("UPDATE images SET width = 7 WHERE id = 1", "its row says 7"),
        ("UPDATE sightings SET image_id = 999 WHERE id = 1", "1 cards whose picture has no row"),
        (
            "UPDATE sightings SET image_id = NULL, reason = NULL WHERE id = 1",
            "1 cards without a picture and without a reason",
        ),
    ],
)
def test_each_broken_law_is_seen(shelf: Shelf, damage: str, said: str) -> None:
    with closing(sqlite3.connect(shelf.root / "catalog.sqlite")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(damage)
        connection.commit()
    broken = broken_on_disk(shelf.root)
    assert any(said in one for one in broken), broken


def test_a_changed_file_and_a_missing_picture_are_seen(shelf: Shelf) -> None:
    (first, *_) = sorted(file for file in (shelf.root / "images").rglob("*") if len(file.stem) == 64)
    stream = io.BytesIO(first.read_bytes() + b"!")
    first.write_bytes(stream.getvalue())
    assert hashlib.sha256(first.read_bytes()).hexdigest() != first.stem
    assert any("are not those of its name" in one for one in broken_on_disk(shelf.root))
    (first.parent / "left.part").write_bytes(b"x")
    broken = broken_when_well(shelf.root, "http://127.0.0.1:1", [100])
    assert any("1 of 1 pictures are not there: {100: 'no row'}" in one for one in broken), broken
    assert any("left behind" in one for one in broken), broken


def test_each_bad_end_is_seen() -> None:
    assert broken_at_the_end(0, "well\n", 100, [], set(ENDED_WELL)) == []
    assert broken_at_the_end(1, "It cannot be read: look into that.\n", 100, [], set(ENDED_WELL)) == []
    for code, err, megabytes, canary in (
        (3, "a bug.", 1, []),
        (-9, "", 1, []),
        (0, "Traceback (most recent call last):", 1, []),
        (0, "\x1b[31m", 1, []),
        (1, "no sentence", 1, []),
        (0, "", 401, []),
        (0, "", 1, ["connected"]),
    ):
        assert len(broken_at_the_end(code, err, megabytes, canary, set(ENDED_WELL))) == 1, (code, err)
