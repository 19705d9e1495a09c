"""The pace that processes share: who waits in one process asks the database once for all."""

from __future__ import annotations

import asyncio
import time

import pytest

from stj_catalog.pace import take_turn
from stj_core.config import read_config
from stj_spiders import shared_pace
from stj_spiders.catalog_writer import CatalogWriter
from stj_spiders.config import Pace, Patience
from stj_spiders.politeness import Manners
from stj_spiders.shared_pace import SharedPace

HOST, GAP, WAITING = "pictures.shop.example", 0.1, 6


async def wait_for_turn(pace: SharedPace) -> float:
    while True:
        wait = await pace.turn(HOST, picture=True)
        if not wait:
            return time.monotonic()
        await asyncio.sleep(wait)


async def all_turns(manners: Manners) -> list[float]:
    writer = await CatalogWriter.open(read_config())
    try:
        pace = SharedPace(manners, writer)
        return sorted(await asyncio.gather(*(wait_for_turn(pace) for _ in range(WAITING))))
    finally:
        await writer.close()


def test_those_who_wait_in_one_process_do_not_all_ask_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*words):
        asked.append(words)
        return take_turn(*words)

    monkeypatch.setattr(shared_pace, "take_turn", counted)
    pace = Pace(page_seconds=GAP, picture_seconds=GAP, pictures_at_once=WAITING, jitter=0.0, given=True)
    turns = asyncio.run(all_turns(Manners(pace, Patience(cool_seconds=30, cool_most_seconds=900, blocks=3))))
    # Nobody goes sooner for it: that the database keeps the gaps is tested with it.
    assert turns[-1] - turns[0] >= (WAITING - 1) * GAP - 0.05
    # Once for each turn, once to make the lane's row, and once again where the clocks differ by a hair.
    assert len(asked) <= 2 * WAITING + 1 < WAITING * (WAITING + 1) / 2
