"""One status for every picture, by a rule that sees no order: laws for any duplicate graph."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_catalog.status import Bond, Decision, Outcome, Picture, resolve
from stj_core.vocabulary import Status

LABEL = st.integers(0, 2)
DECISION = st.one_of(
    st.none(),
    st.none(),
    st.builds(Decision, st.just("label"), LABEL),
    st.just(Decision("keep")),
    st.just(Decision("reject", None, "blurred")),
)


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 9))
    pictures = {}
    for number in range(size):
        sha = draw(st.sampled_from("abcde"))
        pictures[number] = Picture(
            id=number,
            key=f"key{number}",
            sha256=sha,
            area=draw(st.sampled_from([100, 200])),
            trusted=draw(st.frozensets(LABEL, max_size=2)),
            doubts=draw(st.frozensets(st.tuples(st.sampled_from(["sponsored", "title_mismatch"]), LABEL), max_size=2)),
            decision=draw(DECISION),
            banned=draw(st.sampled_from([False, False, False, True])),
        )
    bonds = {number: {} for number in range(size)}
    for one in range(size):
        for two in range(one + 1, size):
            same = pictures[one].sha256 == pictures[two].sha256
            if same or draw(st.booleans()):
                bond = Bond(0, 0) if same else Bond(draw(st.integers(0, 8)), draw(st.integers(0, 22)))
                bonds[one][two] = bonds[two][one] = bond
    return pictures, bonds


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(graph, shuffler):
    pictures, bonds = graph
    numbers = list(pictures)
    shuffler.shuffle(numbers)
    renamed = {old: 100 + new for new, old in enumerate(numbers)}
    back = {new: old for old, new in renamed.items()}
    others = {renamed[old]: replace(pictures[old], id=renamed[old]) for old in numbers}
    edges = {renamed[old]: {renamed[other]: bond for other, bond in bonds[old].items()} for old in numbers}
    again = {
        back[number]: replace(
            outcome, duplicate_of=None if outcome.duplicate_of is None else back[outcome.duplicate_of]
        )
        for number, outcome in resolve(others, edges).items()
    }
    assert again == resolve(pictures, bonds)


@given(graphs())
def test_every_picture_gets_exactly_one_lawful_status(graph):
    pictures, bonds = graph
    outcomes = resolve(pictures, bonds)
    assert outcomes.keys() == pictures.keys()
    for number, outcome in outcomes.items():
        assert (outcome.status is Status.DUPLICATE) == (outcome.duplicate_of is not None) == (outcome.kind is not None)
        assert (outcome.reason is not None) == (outcome.status in {Status.QUARANTINED, Status.REJECTED})
        if outcome.duplicate_of is not None:
            assert outcome.duplicate_of in bonds[number]
            assert outcomes[outcome.duplicate_of].duplicate_of is None
    kept = {number for number, outcome in outcomes.items() if outcome.status is Status.KEPT}
    assert not [(one, two) for one in kept for two in bonds[one] if two in kept]
    assert len({pictures[one].sha256 for one in kept}) == len(kept)
    assert all((pictures[one].trusted or pictures[one].decision) and not pictures[one].banned for one in kept)


def picture(number, *labels, area=100, doubts=(), **more):
    return Picture(number, f"key{number}", f"{number:x}" * 64, area, frozenset(labels), frozenset(doubts), **more)


def bound(*pairs):
    bonds = {}
    for one, two, *bits in pairs:
        bond = Bond(*(bits or (4, 10)))
        bonds.setdefault(one, {})[two] = bond
        bonds.setdefault(two, {})[one] = bond
    return bonds


def ends(pictures, bonds=None):
    return resolve({one.id: one for one in pictures}, bonds or {})


def test_the_larger_picture_is_kept():
    found = ends([picture(1, 0, area=50), picture(2, 0, area=90)], bound((1, 2)))
    assert found[1] == Outcome(Status.DUPLICATE, 0, None, 2, "near", 4)
    assert found[2] == Outcome(Status.KEPT, 0)


def test_a_duplicate_names_its_nearest_keeper():
    pictures = [picture(1, 0, area=90), picture(2, 0, area=80), picture(3, 0, area=10)]
    assert ends(pictures, bound((1, 3, 8, 20), (2, 3, 2, 6)))[3].duplicate_of == 2


def test_one_look_under_two_labels_quarantines_both():
    found = ends([picture(1, 1), picture(2, 2)], bound((1, 2)))
    assert {(one.status, one.reason) for one in found.values()} == {(Status.QUARANTINED, "label_conflict")}


def test_one_picture_under_two_labels_is_a_conflict_too():
    assert ends([picture(1, 1, 2)])[1].reason == "label_conflict"


def test_a_doubtful_sighting_never_makes_a_conflict():
    found = ends([picture(1, 1), picture(2, doubts=[("sponsored", 2)])], bound((1, 2)))
    assert (found[1].status, found[2].status) == (Status.KEPT, Status.DUPLICATE)


@pytest.mark.parametrize(
    ("doubts", "reason"),
    [
        ([("sponsored", 0)], "sponsored"),
        ([("title_mismatch", 0)], "title_mismatch"),
        ([("sponsored", 0), ("title_mismatch", 0)], "sponsored"),
        ([], "unsighted"),
    ],
)
def test_doubts_alone_quarantine(doubts, reason):
    assert ends([picture(1, doubts=doubts)])[1].reason == reason


def test_a_person_settles_a_conflict():
    found = ends([picture(1, 1, 2, decision=Decision("label", 2)), picture(2, 1)], bound((1, 2)))
    assert found[1] == Outcome(Status.KEPT, 2)
    assert found[2].status is Status.DUPLICATE


def test_a_rejected_picture_takes_its_copies_with_it():
    found = ends(
        [picture(1, 0, decision=Decision("reject", None, "mannequin")), picture(2, 0, area=900)], bound((1, 2))
    )
    assert found[1] == Outcome(Status.REJECTED, 0, "mannequin")
    assert (found[2].status, found[2].duplicate_of) == (Status.DUPLICATE, 1)


def test_a_copy_of_a_forgotten_picture_is_rejected_and_bonds_with_nobody():
    found = ends([picture(1, 0, area=900, banned=True), picture(2, 0)], bound((1, 2)))
    assert found[1] == Outcome(Status.REJECTED, 0, "forgotten_copy")
    assert found[2].status is Status.KEPT


def test_shuffled_input_gives_equal_output():
    pictures = [picture(number, number % 3, area=number) for number in range(30)]
    bonds = bound(*((one, two) for one in range(30) for two in range(one) if (one * two) % 7 == 1))
    expected = ends(pictures, bonds)
    random.Random(1).shuffle(pictures)
    assert ends(pictures, bonds) == expected
