"""Whatever the order in which pictures, pages and crawls arrive, every picture ends in the same status and group."""

from __future__ import annotations

import random
import shutil

import pytest
from sqlalchemy import func, insert, select, update

from stj_catalog.catalog import open_catalog
from stj_catalog.dedupe import dedupe
from stj_catalog.incremental import Settler
from stj_catalog.intake import known_pictures
from stj_catalog.schema import images, reviews, sightings
from stj_core.clock import now
from stj_core.vocabulary import Status
from stj_images.likeness import Thresholds
from tests.catalog.crawling import Card, Walk, assert_lawful, print_of, state_of, statuses, url_of

BIG, SMALL = (1200, 1600), (300, 400)
# label, card: duplicates in chains, a mirrored and a bordered copy, one look under two labels, products, failures, doubts.
WORLD = [
    (0, Card("a", print_of(1), asin="B0A")),
    (0, Card("a-big", print_of(1, size=BIG, near=2, wide=4), asin="B0B")),
    (0, Card("a-far", print_of(1, near=8, wide=16, size=SMALL), asin="B0C")),
    (0, Card("a-same", print_of(1), asin="B0D")),
    (0, Card("a-relative", print_of(1, near=10, wide=32))),
    (0, Card("b", print_of(2), asin="B0E")),
    (0, Card("b-mirrored", print_of(2, mirrored=True))),
    (0, Card("b-bordered", print_of(2, bordered=True))),
    (0, Card("b-weak", print_of(2, near=6, wide=40))),
    (0, Card("c", print_of(3), asin="B0F", parent="P0")),
    (0, Card("d", print_of(4), asin="B0G", parent="P0")),
    (0, Card("e", print_of(5), asin="B0A")),
    (1, Card("f", print_of(6))),
    (2, Card("f-jeans", print_of(6, near=2, wide=2, size=BIG))),
    (1, Card("g", print_of(7), reason="sponsored")),
    (1, Card("h", print_of(8), reason="title_mismatch")),
    (1, Card("h", print_of(8))),
    (1, Card("g-copy", print_of(7, near=2, wide=2, size=SMALL))),
    (2, Card("i", None, failure="http_error")),
    (2, Card("j", print_of(9), reason="sponsored")),
    (2, Card("j", print_of(9), reason="title_mismatch")),
    (1, Card("k", print_of(10))),
    (2, Card("k", print_of(10))),
    (2, Card(None, None, reason="no_image")),
]


def crawl_in_order(catalog, order, per_page):
    """One crawl for each label; its cards come on pages of `per_page`, in the given order; the crawls interleave."""
    walks = {label: Walk(catalog, label, spider=f"test {label}") for label in (0, 1, 2)}
    waiting = {0: [], 1: [], 2: []}
    for label, card in order:
        waiting[label].append(card)
        if len(waiting[label]) == per_page:
            walks[label].page(waiting.pop(label))
            waiting[label] = []
    for label, cards in waiting.items():
        if cards:
            walks[label].page(cards)


@pytest.mark.medium
def test_fifty_orders_of_arrival_give_one_result(blank_catalog, tmp_path):
    results = []
    for seed in range(50):
        file = tmp_path / f"{seed}.sqlite"
        shutil.copyfile(blank_catalog, file)
        catalog = open_catalog(str(file))
        order = WORLD.copy()
        random.Random(seed).shuffle(order)
        crawl_in_order(catalog, order, per_page=2 + seed % 7)
        assert_lawful(catalog)
        results.append(state_of(catalog))
        catalog.close()
    assert all(result == results[0] for result in results)


def test_an_order_on_either_database_gives_what_the_rules_say(catalog):
    crawl_in_order(catalog, WORLD, per_page=4)
    assert statuses(catalog) == {
        "a-big": ("kept", None),
        "a": ("duplicate", None),
        "a-same": ("duplicate", None),
        "a-far": ("duplicate", None),
        "a-relative": ("kept", None),
        "b": ("kept", None),
        "b-mirrored": ("kept", None),
        "b-bordered": ("kept", None),
        "b-weak": ("kept", None),
        "c": ("kept", None),
        "d": ("kept", None),
        "e": ("kept", None),
        "f": ("quarantined", "label_conflict"),
        "f-jeans": ("quarantined", "label_conflict"),
        "g": ("duplicate", None),
        "g-copy": ("kept", None),
        "h": ("kept", None),
        "i": ("rejected", "http_error"),
        "j": ("quarantined", "sponsored"),
        "k": ("quarantined", "label_conflict"),
    }
    groups = state_of(catalog)[1]
    assert ["a", "a-big", "a-far", "a-relative", "a-same", "e"] in groups
    assert ["b", "b-bordered", "b-mirrored"] in groups
    assert ["b-weak"] in groups
    assert ["c", "d"] in groups


def test_two_crawls_may_interleave_page_by_page(catalog):
    one, two = Walk(catalog, 0, spider="one"), Walk(catalog, 0, spider="two")
    one.page([Card("small", print_of(1, size=SMALL))])
    two.page([Card("big", print_of(1, size=BIG))])
    one.page([Card("middle", print_of(1)), Card("other", print_of(2))])
    assert statuses(catalog) == {
        "small": ("duplicate", None),
        "big": ("kept", None),
        "middle": ("duplicate", None),
        "other": ("kept", None),
    }
    assert_lawful(catalog)


def test_the_bigger_picture_wins_and_keeps_the_group(catalog):
    walk = Walk(catalog)
    walk.page([Card("small", print_of(1, size=SMALL)), Card("stranger", print_of(2))])
    before = rows_of(catalog)
    walk.page([Card("big", print_of(1, near=2, wide=4, size=BIG))])
    after = rows_of(catalog)
    assert after["small"].status == Status.DUPLICATE
    assert after["small"].duplicate_of == after["big"].id
    assert (after["big"].status, after["big"].group_id) == (Status.KEPT, before["small"].group_id)
    assert without_times(after["stranger"]) == without_times(before["stranger"])


def test_among_equals_the_smaller_checksum_is_kept(catalog):
    prints = [print_of(1, content=number) for number in range(5)]
    Walk(catalog).page([Card(f"copy{number}", look) for number, look in enumerate(prints)])
    first = min(range(5), key=lambda number: prints[number].sha256)
    assert [name for name, row in statuses(catalog).items() if row[0] == "kept"] == [f"copy{first}"]


def test_a_page_may_be_committed_again(catalog):
    walk = Walk(catalog)
    page, _ = walk.page([Card("a", print_of(1)), Card("b", print_of(2), reason="sponsored")])
    once = state_of(catalog)
    walk.page([Card("a", print_of(1)), Card("b", print_of(2), reason="sponsored")], again=page)
    assert state_of(catalog) == once
    walk.page([Card("b", print_of(2))], again=page)
    assert statuses(catalog) == {"a": ("quarantined", "unsighted"), "b": ("kept", None)}
    with catalog.read() as connection:
        assert connection.execute(select(func.count()).select_from(sightings)).scalar() == 1


def test_a_products_own_page_outweighs_the_listings_that_show_it(catalog):
    walk = Walk(catalog)
    listed = [Card("a", print_of(1), asin="B0A"), Card("b", print_of(2), asin="B0B"), Card("plain", print_of(3))]
    listing, _ = walk.page(listed)
    own, tally = walk.page([Card("a", print_of(1), asin="B0A", reason="title_mismatch")], kind="product")
    walk.page([Card("b", print_of(2), asin="B0B"), Card("b-back", print_of(4), asin="B0B")], kind="product")
    denied = ("quarantined", "title_mismatch")
    said = {"a": denied, "b": ("kept", None), "plain": ("kept", None), "b-back": ("kept", None)}
    assert statuses(catalog) == said
    assert tally == {"quarantined": 1}

    walk.page(listed, again=listing)
    walk.page([Card("a", print_of(1), asin="B0A", reason="title_mismatch")], again=own, kind="product")
    assert statuses(catalog) == said, "pages that are read again change nothing"
    later = Walk(catalog)
    later.page(listed)
    assert statuses(catalog) == said, "a later crawl without details vouches for nothing that the product denied"
    report, _ = dedupe(catalog, Thresholds())
    assert not report.changes

    later.page([Card("back", print_of(5), asin="B0A")], kind="product")
    assert statuses(catalog) == {**said, "a": ("kept", None), "back": ("kept", None)}, "the newest page counts"
    assert_lawful(catalog)


def test_a_products_own_page_reaches_pictures_that_only_listings_show(catalog):
    walk = Walk(catalog)
    walk.page([])
    own, _ = walk.page([Card("back", print_of(2), asin="B0A", reason="title_mismatch")], kind="product")
    walk.page([Card("front", print_of(1), asin="B0A")])
    assert statuses(catalog)["front"] == ("quarantined", "title_mismatch"), "whichever is read first"
    Walk(catalog, 2).page([Card("front", print_of(1), asin="B0A")])
    assert statuses(catalog)["front"] == ("kept", None), "of jeans, whose category nothing contradicts"
    assert state_of(catalog)[0]["front"][2] == 2
    walk.page([Card("other", print_of(3), asin="B0C", reason="title_mismatch")], again=own, kind="product")
    assert statuses(catalog)["front"] == ("quarantined", "label_conflict"), "a page that is another product's now"


def test_a_products_own_page_without_a_picture_has_its_say_too(catalog):
    walk = Walk(catalog)
    walk.page([Card("front", print_of(1), asin="B0A"), Card("other", print_of(2), asin="B0B")])
    bare = Card(None, None, asin="B0A", reason="title_mismatch")
    own, tally = walk.page([bare], kind="product")
    denied = {"front": ("quarantined", "title_mismatch"), "other": ("kept", None)}
    assert statuses(catalog) == denied
    assert tally == {"title_mismatch": 1}
    walk.page([bare], again=own, kind="product")
    report, _ = dedupe(catalog, Thresholds())
    assert statuses(catalog) == denied
    assert not report.changes
    walk.page([Card(None, None, asin="B0A", reason="no_image")], kind="product")
    assert statuses(catalog)["front"] == ("kept", None), "the newest page counts, and fits"
    assert_lawful(catalog)


def test_a_tally_counts_every_card_by_its_one_word(catalog):
    _, tally = Walk(catalog).page(
        [
            Card("a", print_of(1)),
            Card("a2", print_of(1, size=SMALL)),
            Card("s", print_of(2), reason="sponsored"),
            Card("x", None, failure="timeout"),
            Card(None, None, reason="no_image"),
        ]
    )
    assert tally == {"kept": 1, "duplicate": 1, "quarantined": 1, "rejected": 1, "no_image": 1}


def test_a_lost_picture_counts_under_the_class_that_showed_it(catalog):
    Walk(catalog, 2).page([Card("x", None, failure="http_error")])
    assert rows_of(catalog)["x"].label == 2


def test_each_decision_records_its_thresholds(catalog):
    Walk(catalog, thresholds=Thresholds(duplicate=4, duplicate256=10)).page(
        [Card("a", print_of(1)), Card("a2", print_of(1, near=6, wide=6, size=SMALL))]
    )
    assert {row.rule for row in rows_of(catalog).values()} == {"duplicate 4/10, related 10/32"}
    assert statuses(catalog)["a2"] == ("kept", None)


def test_a_person_decides_over_every_rule(catalog):
    walk = Walk(catalog, 1)
    walk.page([Card("f", print_of(6))])
    other = Walk(catalog, 2)
    page, _ = other.page([Card("f-jeans", print_of(6, near=2, wide=2, size=BIG))])
    assert statuses(catalog)["f"] == ("quarantined", "label_conflict")
    decide_on(catalog, "f", "label", 1)
    other.page([Card("f-jeans", print_of(6, near=2, wide=2, size=BIG))], again=page)
    rows = rows_of(catalog)
    assert (rows["f"].status, rows["f"].label) == ("kept", 1)
    assert (rows["f-jeans"].status, rows["f-jeans"].duplicate_of) == ("duplicate", rows["f"].id)


def test_a_page_that_was_rolled_back_leaves_nothing_in_the_index(catalog, monkeypatch):
    walk, other = Walk(catalog, spider="one"), Walk(catalog, spider="two")
    monkeypatch.setattr("stj_catalog.intake.write_response", broken)
    with pytest.raises(RuntimeError, match="the power went out"):
        walk.page([Card("a", print_of(1)), Card("b", print_of(2))])
    monkeypatch.undo()
    other.page([Card("c", print_of(3)), Card("d", print_of(4))])
    walk.page([Card("c-copy", print_of(3, near=2, size=SMALL)), Card("a", print_of(1))])
    assert statuses(catalog)["c-copy"] == ("duplicate", None)
    assert_lawful(catalog)


def broken(*_args, **_options):
    raise RuntimeError("the power went out")


def test_a_copy_of_a_forgotten_picture_is_kept_out(catalog):
    walk = Walk(catalog)
    walk.page([Card("a", print_of(1))])
    with catalog.write() as connection:
        connection.execute(update(images).values(status="forgotten", path=None))
    walk.page([Card("a-copy", print_of(1, near=2, wide=4, size=BIG)), Card("b", print_of(2))])
    assert statuses(catalog) == {
        "a": ("forgotten", None),
        "a-copy": ("rejected", "forgotten_copy"),
        "b": ("kept", None),
    }


def test_a_picture_lost_for_a_passing_reason_is_asked_for_again(catalog):
    broken = ("timeout", "truncated", "not_image", "too_large", "too_small")
    Walk(catalog).page([*(Card(why, None, failure=why) for why in broken), Card("private", None, failure="unreadable")])
    later = Walk(catalog)
    keys = [*map(url_of, broken), url_of("private"), url_of("never seen")]
    assert known_pictures(catalog, keys, later.crawl.id) == {url_of("private")}
    later.page([*(Card(why, print_of(n)) for n, why in enumerate(broken)), Card("private", print_of(9))])
    assert statuses(catalog) == {**dict.fromkeys(broken, ("kept", None)), "private": ("rejected", "unreadable")}


def test_other_bytes_under_a_lost_address_are_compared_anew(catalog):
    walk = Walk(catalog)
    walk.page([Card("a", print_of(1)), Card("twin", print_of(1, size=SMALL))])
    with catalog.write() as connection:
        lost = {"status": "rejected", "reason": "missing_file", "path": None, "fetched_at": "2020"}
        connection.execute(update(images).where(images.c.image_key == url_of("a")).values(lost))
    Walk(catalog).page([Card("a", print_of(2)), Card("like", print_of(2, near=2, size=SMALL))])
    pictures, _, alike = state_of(catalog)
    assert (pictures["like"][0], pictures["like"][3]) == ("duplicate", "a")
    assert [pair[:2] for pair in alike] == [("a", "like")]
    assert pictures["twin"][0] == "duplicate"  # until `dedupe`, or until it is seen again


def test_opening_reads_what_was_compared(catalog):
    Walk(catalog).page([Card(str(number), print_of(number)) for number in range(7)])
    settler = Settler.for_catalog(catalog, Thresholds())
    assert len(settler.index) == 7


def rows_of(catalog):
    with catalog.read() as connection:
        rows = connection.execute(select(images)).all()
    return {row.image_key.rsplit("/", 1)[-1].removesuffix(".jpg"): row for row in rows}


def without_times(row):
    return {name: value for name, value in row._mapping.items() if not name.endswith("_at")}


def decide_on(catalog, name, action, label=None):
    with catalog.write() as connection:
        row = connection.execute(select(images.c.id).where(images.c.image_key == url_of(name))).scalar_one()
        said = {"image_id": row, "action": action, "label": label, "reviewer": "test", "made_at": now()}
        connection.execute(insert(reviews).values(said))


class Overtaken(Settler):
    """A settler that another crawl overtakes between its search and its transaction."""

    def look_ahead(self, catalog, keys):
        super().look_ahead(catalog, keys)
        meanwhile, self.meanwhile = getattr(self, "meanwhile", []), []
        for page in meanwhile:
            page()


def test_what_comes_between_the_search_and_the_transaction_is_compared_too(catalog):
    """The search among a million pictures is made before anybody has to wait for it."""
    walk, other = Walk(catalog), Walk(catalog, label=1, spider="other")
    walk.page([Card("early", print_of(1))])
    walk.settler = Overtaken.for_catalog(catalog, Thresholds())
    walk.settler.meanwhile = [lambda: other.page([Card("between", print_of(2)), Card("third", print_of(3))])]
    walk.page([
        Card("copy of early", print_of(1, near=3, size=SMALL)), Card("copy of between", print_of(2, near=3, size=SMALL)),
        Card("new", print_of(4)),
    ])  # fmt: skip
    pictures, _, alike = state_of(catalog)
    assert {pair[:2] for pair in alike} == {("copy of early", "early"), ("between", "copy of between")}
    assert pictures["copy of early"][3] == "early"
    assert_lawful(catalog)


def test_a_picture_that_was_lost_and_came_again_in_other_bytes_is_not_compared_with_itself(catalog):
    walk = Walk(catalog)
    walk.page([Card("a", print_of(1)), Card("b", print_of(2))])
    with catalog.write() as connection:
        lost = {"status": "rejected", "reason": "missing_file", "path": None}
        connection.execute(update(images).where(images.c.image_key == url_of("a")).values(lost))
    walk.settler = Settler.for_catalog(catalog, Thresholds())
    walk.page([Card("a", print_of(1, near=1, content="encoded again")), Card("c", print_of(1, near=2, size=SMALL))])
    assert statuses(catalog)["a"] == ("kept", None)
    assert {pair[:2] for pair in state_of(catalog)[2]} == {("a", "c")}
    assert_lawful(catalog)
