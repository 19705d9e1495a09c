"""People put pictures together, tell them apart and tag them: what they say holds, is kept, and can be taken back."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from stj_catalog.acts import acts_page
from stj_catalog.by_hand import MOST_PAIRS, tell, undo_act
from stj_catalog.catalog import open_catalog
from stj_catalog.copying import copy_catalog
from stj_catalog.dedupe import dedupe
from stj_catalog.forget import bury
from stj_catalog.gallery import Filter, count_pictures, gallery_page, tiles_of
from stj_catalog.health import row_faults
from stj_catalog.lookup import find_pictures
from stj_catalog.provenance import whole_picture
from stj_catalog.reviews import DecisionError, record_review
from stj_catalog.schema import acts, images, tags, ties
from stj_catalog.tags import count_tags, read_tag, tag_pictures
from stj_core.errors import UsageError
from stj_images.likeness import Thresholds
from tests.catalog.crawling import Card, Walk, print_of, state_of, statuses

RULE = Thresholds()
NEAR, RELATED = {"near": 2, "size": (60, 80)}, {"near": 9, "wide": 28}


def say(catalog, names, word, by="me"):
    return tell(catalog, ids(catalog, names), word, reviewer=by, thresholds=RULE)


def ids(catalog, names):
    with catalog.read() as connection:
        rows = {
            row.image_key.rsplit("/", 1)[-1].removesuffix(".jpg"): row.id for row in connection.execute(select(images))
        }
    return [rows[one] for one in names.split()]


def groups(catalog):
    return [group for group in state_of(catalog)[1] if len(group) > 1]


def faults(catalog):
    return [(one.kind, one.path.rsplit("/", 1)[-1]) for one in row_faults(catalog)]


@pytest.fixture
def walk(catalog):
    """`a` with a duplicate `a2` and a relative `a3`; `b` and `c` like nothing; `p1` and `p2` of one product."""
    walk = Walk(catalog)
    walk.page(
        [
            Card("a", print_of(1), "B0A"),
            Card("a2", print_of(1, **NEAR), "B0B"),
            Card("a3", print_of(1, **RELATED), "B0C"),
        ]
    )
    walk.page([Card("b", print_of(2), "B0D"), Card("c", print_of(3), "B0E")])
    walk.page([Card("p1", print_of(4), "B0P"), Card("p2", print_of(4, **NEAR), "B0P")])
    return walk


def settled(catalog):
    """The statuses and groups as they are, which a whole dedupe must leave alone."""
    before = state_of(catalog)[:2]
    report, _ = dedupe(catalog, RULE)
    assert (report.changes, report.regrouped, state_of(catalog)[:2]) == ([], 0, before)
    assert faults(catalog) == []
    return before


def test_different_pictures_that_are_put_in_one_group_stay_kept_and_together(catalog, walk):
    done = say(catalog, "b c", "group")
    assert (done.pairs, done.changed, done.still) == (1, {}, 0)
    assert ["b", "c"] in groups(catalog)
    settled(catalog)
    undo_act(catalog, done.act["id"], RULE)
    assert ["b", "c"] not in groups(catalog)
    settled(catalog)


def test_pictures_that_a_person_says_are_the_same_are_duplicates_and_come_back(catalog, walk):
    done = say(catalog, "b c", "same")
    found = {name: (status, reason) for name, (status, reason) in statuses(catalog).items() if name in "bc"}
    assert sorted(found.values()) == [("duplicate", None), ("kept", None)]
    told = next(row for name, row in state_of(catalog)[0].items() if name in "bc" and row[0] == "duplicate")
    words = [(int(print_of(2).phash, 16) ^ int(print_of(3).phash, 16)).bit_count()]
    assert told[4:6] == ("told", *words)
    settled(catalog)
    back = undo_act(catalog, done.act["id"], RULE)
    assert list(back.changed.values()) == [("duplicate", "kept")]
    assert statuses(catalog)["b"] == statuses(catalog)["c"] == ("kept", None)
    settled(catalog)


def test_a_duplicate_that_is_told_apart_is_kept_again_and_parted(catalog, walk):
    done = say(catalog, "a a2", "apart")
    assert (list(done.changed.values()), done.still) == ([("duplicate", "kept")], 1)  # a3 is like both
    assert groups(catalog) == [["a", "a2", "a3"], ["p1", "p2"]]
    done = say(catalog, "a2", "split")
    assert (done.pairs, done.still) == (2, 0)
    assert groups(catalog) == [["a", "a3"], ["p1", "p2"]]
    settled(catalog)
    undo_act(catalog, done.act["id"], RULE)
    assert groups(catalog) == [["a", "a2", "a3"], ["p1", "p2"]]
    settled(catalog)


def test_the_newest_word_about_a_pair_counts_and_the_one_before_it_comes_back(catalog, walk):
    say(catalog, "b c", "same")
    later = say(catalog, "b c", "apart", by="you")
    assert statuses(catalog)["b"] == statuses(catalog)["c"] == ("kept", None)
    undo_act(catalog, later.act["id"], RULE)
    assert "duplicate" in {statuses(catalog)[one][0] for one in "bc"}
    again = say(catalog, "b c", "same")
    assert (again.act, again.pairs) == (None, 0)
    settled(catalog)


@pytest.mark.parametrize(("word", "before"), [("apart", "a a2"), ("same", "b c"), ("group", "b c")])
def test_a_word_said_again_by_somebody_else_stands_when_the_first_one_is_taken_back(catalog, walk, word, before):
    first = say(catalog, before, word, by="me")
    later = say(catalog, before, word, by="you")
    assert (later.act is not None, later.changed) == (True, {})
    told = state_of(catalog)
    assert undo_act(catalog, first.act["id"], RULE).changed == {}
    assert state_of(catalog) == told
    settled(catalog)
    undo_act(catalog, later.act["id"], RULE)
    assert state_of(catalog) != told
    settled(catalog)


def test_a_word_about_more_pictures_stands_for_all_of_them_when_an_earlier_one_is_taken_back(catalog, walk):
    first = say(catalog, "a a2", "apart")
    say(catalog, "a a2 a3", "apart")
    undo_act(catalog, first.act["id"], RULE)
    assert groups(catalog) == [["p1", "p2"]]
    settled(catalog)


def test_taking_back_an_act_leaves_a_later_contrary_word_standing(catalog, walk):
    first = say(catalog, "b c", "same")
    say(catalog, "b c", "apart", by="you")
    assert undo_act(catalog, first.act["id"], RULE).changed == {}
    assert statuses(catalog)["b"] == statuses(catalog)["c"] == ("kept", None)
    settled(catalog)


@pytest.mark.parametrize("take", [False, True])
def test_a_tag_said_again_by_somebody_else_stands_when_the_first_act_is_taken_back(catalog, walk, take):
    chosen = ids(catalog, "a b")
    if take:
        tag_pictures(catalog, chosen, "blurry", reviewer="they")
    first = tag_pictures(catalog, chosen, "blurry", reviewer="me", take=take)
    again = tag_pictures(catalog, chosen, "blurry", reviewer="you", take=take)
    assert (again.changed, again.unchanged) == ([], 2)
    undo_act(catalog, first.act["id"], RULE)
    assert count_tags(catalog) == ({} if take else {"blurry": 2})
    assert tag_pictures(catalog, chosen, "blurry", reviewer="you", take=take).act is None


def test_pictures_of_one_product_are_no_duplicates_when_told_apart_and_stay_in_one_group(catalog, walk):
    done = say(catalog, "p1 p2", "apart")
    assert statuses(catalog)["p1"] == statuses(catalog)["p2"] == ("kept", None)
    assert (done.still, ["p1", "p2"] in groups(catalog)) == (1, True)
    settled(catalog)


def test_a_pair_is_known_by_its_bytes_wherever_they_come_again(catalog, walk):
    say(catalog, "a", "split")
    say(catalog, "b c", "group")
    assert groups(catalog) == [["a2", "a3"], ["b", "c"], ["p1", "p2"]]
    walk.page([Card("again", print_of(1), "B0F"), Card("c-again", print_of(3), "B0G")])
    assert groups(catalog) == [["a", "again"], ["a2", "a3"], ["b", "c", "c-again"], ["p1", "p2"]]
    settled(catalog)


def test_another_copy_that_nobody_judged_ties_again(catalog, walk):
    """Whoever told two pictures apart has not seen the third: what is like both keeps all three in one split."""
    say(catalog, "a", "split")
    walk.page([Card("new", print_of(1, near=1, size=(70, 90)), "B0F")])
    assert groups(catalog) == [["a", "a2", "a3", "new"], ["p1", "p2"]]
    settled(catalog)


def test_other_bytes_under_the_same_address_are_not_told(catalog, walk):
    done = say(catalog, "b c", "group")
    with catalog.write() as connection:
        new = print_of(9)
        values = {"sha256": new.sha256, "phash": new.phash, "phash256": new.phash256}
        connection.execute(update(images).where(images.c.id == ids(catalog, "c")[0]).values(values))
    dedupe(catalog, RULE)
    assert ["b", "c"] not in groups(catalog)
    assert done.act["id"] in [one["id"] for one in acts_page(catalog)]


def test_the_same_word_of_many_goes_through_the_kept_one_of_them(catalog, walk):
    record_review(catalog, ids(catalog, "c")[0], "keep", reviewer="me", thresholds=RULE)
    say(catalog, "a b c", "same")
    assert statuses(catalog)["c"] == ("kept", None)
    assert {statuses(catalog)[one][0] for one in "ab"} == {"duplicate"}
    assert ["a", "a2", "a3", "b", "c"] in groups(catalog)
    settled(catalog)


def test_the_same_picture_under_two_labels_waits_for_a_person(catalog, walk):
    other = Walk(catalog, label=2, spider="jeans")
    other.page([Card("j", print_of(30), "B0J")])
    say(catalog, "b j", "same")
    assert statuses(catalog)["b"] == statuses(catalog)["j"] == ("quarantined", "label_conflict")


NOTHING_SAID = (
    ("b", "group", "The chosen pictures are one alone: choose two different ones at least."),
    ("b c", "alike", "Pictures are told same, group, apart or split; got 'alike'."),
    ("b", "split", "The chosen pictures are all of their groups: there is nothing to split them from."),
    ("a a2 a3", "split", "The chosen pictures are all of their groups: there is nothing to split them from."),
)


def test_what_says_nothing_is_refused_and_nothing_is_written(catalog, walk):
    for names, word, sentence in NOTHING_SAID:
        with pytest.raises((UsageError, DecisionError)) as refused:
            say(catalog, names, word)
        assert (str(refused.value), acts_page(catalog)) == (sentence, [])


def test_the_same_bytes_cannot_be_told_apart(catalog, walk):
    walk.page([Card("a-twin", print_of(1), "B0F")])
    with pytest.raises(DecisionError, match="have the same bytes, so they are the same picture"):
        say(catalog, "a a-twin", "apart")


def test_so_many_pairs_are_too_many(catalog, walk, monkeypatch):
    monkeypatch.setattr("stj_catalog.by_hand.MOST_PAIRS", 2)
    with pytest.raises(DecisionError, match=r"This tells 3 pairs at once, and 2 are the most: choose fewer\."):
        say(catalog, "a b c", "group")
    assert MOST_PAIRS >= 200 * 199 / 2


def test_an_act_is_taken_back_once_and_only_if_there_is_one(catalog, walk):
    done = say(catalog, "b c", "group")
    undo_act(catalog, done.act["id"], RULE)
    with pytest.raises(DecisionError, match="was taken back already"):
        undo_act(catalog, done.act["id"], RULE)
    with pytest.raises(DecisionError, match=r"There is no act 99\."):
        undo_act(catalog, 99, RULE)
    (row,) = acts_page(catalog, image=ids(catalog, "b")[0])
    assert (row["action"], row["reviewer"], row["pairs"], row["undone_at"] is not None) == ("group", "me", 1, True)


def test_a_tag_is_found_whatever_its_case_and_taken_back_as_a_whole(catalog, walk):
    first = tag_pictures(catalog, ids(catalog, "a b c"), "  Cut \t off ", reviewer="me")
    again = tag_pictures(catalog, ids(catalog, "c p1"), "cut OFF", reviewer="you")
    assert (first.tag, again.tag, again.unchanged, again.changed) == ("Cut off", "Cut off", 1, ids(catalog, "p1"))
    assert count_tags(catalog) == {"Cut off": 4}
    assert count_pictures(catalog, Filter(tag="CUT off")) == 4
    assert count_pictures(catalog, Filter(text="ut of")) == 4
    assert count_pictures(catalog, Filter(tag="Cut")) == 0
    taken = tag_pictures(catalog, ids(catalog, "a b"), "Cut off", reviewer="me", take=True)
    assert [one.tags for one in tiles_of(catalog, ids(catalog, "a c"))] == [(), ("Cut off",)]
    undo_act(catalog, taken.act["id"], RULE)
    undo_act(catalog, again.act["id"], RULE)
    assert [one.id for one in gallery_page(catalog, Filter(tag="Cut off")).tiles] == ids(catalog, "c b a")
    assert tag_pictures(catalog, ids(catalog, "a"), "cut off", reviewer="me").act is None


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "x" * 61, "bell\x07", "\u202edrow"])
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(UsageError, match="A tag is a line of 1 to 60 printed characters without a comma"):
        read_tag(tag)


def test_a_picture_that_is_forgotten_takes_its_tags_with_it_and_no_other_does(catalog, walk):
    tag_pictures(catalog, ids(catalog, "b c"), "Mrs Sharma", reviewer="me")
    tag_pictures(catalog, ids(catalog, "b"), "only hers", reviewer="me")
    say(catalog, "b c", "group")
    both = ids(catalog, "b c")
    with catalog.write(exclusive=True) as connection:
        bury(connection, both[:1], RULE)
    with catalog.read() as connection:
        left = connection.execute(select(tags.c.image_id, tags.c.tag)).all()
    assert left == [(ids(catalog, "c")[0], "Mrs Sharma")]
    assert count_tags(catalog) == {"Mrs Sharma": 1}
    assert whole_picture(catalog, ids(catalog, "c")[0]).told == []
    for act in (
        lambda one: tag_pictures(catalog, one, "x", reviewer="me"),
        lambda one: tell(catalog, one, "group", reviewer="me", thresholds=RULE),
    ):
        with pytest.raises(DecisionError, match="was forgotten: there is nothing to decide"):
            act(both)


def test_a_forgotten_picture_between_two_does_not_hold_them_together(catalog, walk):
    with catalog.write(exclusive=True) as connection:
        bury(connection, ids(catalog, "a3"), RULE)
    a, a2 = ids(catalog, "a a2")
    done = tell(catalog, [a2], "split", reviewer="me", thresholds=RULE)
    assert (done.pairs, done.still, done.groups[a] != done.groups[a2]) == (2, 0, True)
    with pytest.raises(DecisionError, match="nothing to split them from"):
        tell(catalog, [a], "split", reviewer="me", thresholds=RULE)


def test_forgetting_takes_what_a_person_called_the_same_and_leaves_what_was_told_apart(catalog, walk):
    address = "https://shop.test/images/I/a.jpg"
    say(catalog, "a b", "same")
    assert find_pictures(catalog, urls=[address]) == sorted(ids(catalog, "a a2 b"))
    say(catalog, "a a2", "apart")
    assert find_pictures(catalog, urls=[address]) == sorted(ids(catalog, "a b"))


def test_groups_that_contradict_what_people_said_are_found_and_mended(catalog, walk):
    say(catalog, "b c", "group")
    with catalog.write() as connection:
        home = select(images.c.group_id).where(images.c.id == ids(catalog, "a")[0]).scalar_subquery()
        connection.execute(update(images).where(images.c.id == ids(catalog, "c")[0]).values(group_id=home))
    assert [kind for kind, _ in faults(catalog)] == ["parted_group"]
    dedupe(catalog, RULE)
    assert faults(catalog) == []


def test_a_copied_catalogue_holds_every_act(catalog, walk, tmp_path):
    say(catalog, "b c", "group")
    tag_pictures(catalog, ids(catalog, "a"), "x", reviewer="me")
    target = open_catalog(f"sqlite:///{tmp_path}/other.sqlite", create=True)
    proofs = copy_catalog(catalog, target)
    assert [proofs[table.name].rows for table in (acts, tags, ties)] == [2, 1, 1]
    say(target, "a b", "group")  # new acts get numbers of their own
    assert ["a", "a2", "a3", "b", "c"] in groups(target)
    target.close()
