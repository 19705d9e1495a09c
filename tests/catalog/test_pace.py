"""One pace for each host: whoever asks, and however many, the gaps hold in sum, and a block silences all."""

from __future__ import annotations

import threading
import time

import pytest

from stj_catalog.catalog import open_catalog
from stj_catalog.pace import cool_down, cooling, served, take_turn

GAP = 0.05


def ask_until(url: str, seconds: float, found: list[float], gap: float = GAP) -> None:
    own = open_catalog(url)
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            wait = take_turn(own, "shop.test", "pages of shop.test", gap)
            if wait:
                time.sleep(min(wait, 0.02))
            else:
                found.append(time.monotonic())
    finally:
        own.close()


@pytest.mark.parametrize("askers", [1, 3])
def test_the_gaps_hold_in_sum(catalog_url, askers):
    open_catalog(catalog_url, create=True).close()
    found: list[float] = []
    threads = [threading.Thread(target=ask_until, args=(catalog_url, 1.5, found)) for _ in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments = sorted(found)
    # A thread may be late with noting its moment; the database is not: so many fit into the time, and hardly fewer went.
    assert len(moments) <= (moments[-1] - moments[0]) / GAP + 1.5
    assert len(moments) >= 8


def test_lanes_of_a_host_go_at_their_own_paces(catalog):
    assert take_turn(catalog, "a.test", "pages of a.test", 60.0) > 0  # the first asker makes the row
    assert take_turn(catalog, "a.test", "pages of a.test", 60.0) == 0.0
    assert 59 < take_turn(catalog, "a.test", "pages of a.test", 60.0) <= 60
    take_turn(catalog, "a.test", "pictures of a.test", 1.0)
    assert take_turn(catalog, "a.test", "pictures of a.test", 1.0) == 0.0


def test_a_block_silences_every_lane_and_each_further_one_counts(catalog):
    for lane in ("pages of a.test", "pictures of a.test"):
        take_turn(catalog, "a.test", lane, 0.0)
    assert cool_down(catalog, "a.test", 30.0, 0.5).blocks == 1
    for lane in ("pages of a.test", "pictures of a.test"):
        assert 29 < take_turn(catalog, "a.test", lane, 0.0) <= 30
    assert cooling(catalog, "a.test") > 29
    again = cool_down(catalog, "a.test", 60.0, 0.0)
    assert (again.blocks, 59 < again.seconds <= 60) == (2, True)
    assert cool_down(catalog, "a.test", 5.0, 0.0, picture=True).seconds > 59, "a shorter one ends nothing"


def test_an_answer_to_an_older_question_says_nothing_new(catalog):
    cool_down(catalog, "a.test", 30.0, 0.5)
    assert cool_down(catalog, "a.test", 30.0, 9.0).blocks == 1
    served(catalog, "a.test", 9.0)
    assert cool_down(catalog, "a.test", 30.0, 0.0).blocks == 2
    served(catalog, "a.test", 0.0)
    assert cool_down(catalog, "a.test", 30.0, 0.0).blocks == 1


def test_a_host_that_nobody_knows_is_free(catalog):
    assert cooling(catalog, "b.test") == 0.0
    served(catalog, "b.test", 1.0)
