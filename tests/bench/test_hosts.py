"""What bench hosts says of the pace follows from the shop's log: each way to break it is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.hosts import COOL_SECONDS, PICTURE_SECONDS, look_at_pace
from stj_demo.server import Asked


def log(times, refused=()):
    """A shop that was asked for pictures at these moments, and refused some."""
    rows = [
        Asked(moment, "GET", f"/images/{number}.jpg", "", 429 if number in refused else 200, 9)
        for number, moment in enumerate(times)
    ]
    return SimpleNamespace(requests=rows)


def every(seconds, number=60, start=100.0):
    return [start + seconds * place for place in range(number)]


def test_a_crawl_that_keeps_the_pace_and_the_silence_is_well():
    before = every(PICTURE_SECONDS, 20)
    told, wrong = look_at_pace(log([*before, *every(PICTURE_SECONDS, 30, before[-1] + COOL_SECONDS)], refused={19}))
    assert wrong == []
    assert (told["rate"], told["silence"], told["asked"], told["asked_again"]) == (1.0, COOL_SECONDS, 50, 0)


@pytest.mark.parametrize("seconds", [PICTURE_SECONDS * 0.94, PICTURE_SECONDS * 1.06])
def test_a_rate_that_is_off_by_more_than_a_twentieth_is_wrong(seconds):
    assert look_at_pace(log(every(seconds)))[1] == ["the rate"]


def test_a_burst_among_much_patience_is_wrong():
    slow, burst = every(PICTURE_SECONDS, 40), every(PICTURE_SECONDS * 0.8, 15, 200.0)
    assert look_at_pace(log(slow + burst))[1] == ["the rate"]


def test_two_at_once_are_a_gap():
    times = every(PICTURE_SECONDS)
    times[30] = times[29] + 0.01
    told, wrong = look_at_pace(log(times))
    assert "a gap" in wrong
    assert (told["short_gaps"], told["gap_least"]) == (1, 0.01)


def test_whoever_asks_after_a_refusal_broke_the_silence_and_what_was_on_its_way_did_not():
    before = every(PICTURE_SECONDS, 20)
    after = every(PICTURE_SECONDS, 30, before[-1] + COOL_SECONDS)
    on_its_way, too_soon = before[-1] + PICTURE_SECONDS, before[-1] + COOL_SECONDS / 2
    assert look_at_pace(log([*before, on_its_way, *after], refused={19}))[1] == []
    assert look_at_pace(log([*before, too_soon, *after], refused={19}))[1] == ["asked while it was to be silent"]
