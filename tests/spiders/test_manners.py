"""When we may ask again."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_spiders.config import Pace, Patience
from stj_spiders.politeness import Manners, TurnedAway, retry_after_seconds, spell

SHOP, PICTURES = "www.shop.example", "m.shop.example"
PACE = Pace(page_seconds=2.0, picture_seconds=0.25, pictures_at_once=4, jitter=0.2, given=False)
PATIENCE = Patience(cool_seconds=30, cool_most_seconds=900, blocks=3)


class Clock:
    """Time that passes when we say so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manners(clock: Clock) -> Manners:
    return Manners(PACE, PATIENCE, clock)


def departures(manners: Manners, clock: Clock, count: int, *, picture: bool = False, host: str = SHOP) -> list[float]:
    """When `count` requests that are all in a hurry leave."""
    left = []
    for _ in range(count):
        while wait := manners.leave(host, picture=picture):
            clock.now += wait
        left.append(clock.now)
    return left


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("page"), st.just(0.0)),
            st.tuples(st.just("picture"), st.just(0.0)),
            st.tuples(st.just("blocked"), st.floats(0, 100)),
            st.tuples(st.just("crawl_delay"), st.floats(0.1, 20)),
            st.tuples(st.just("slow"), st.floats(0, 60)),
            st.tuples(st.just("time"), st.floats(0, 40)),
        ),
        max_size=40,
    )
)
def test_no_gap_is_ever_below_the_least(events: list[tuple[str, float]]) -> None:
    """Whatever blocks, delays and waits come in between, for however many crawls share it."""
    clock = Clock()
    manners = Manners(PACE, PATIENCE, clock)
    last: dict[str, float] = {}
    crawl_delay = 0.0
    for kind, number in events:
        if kind in {"page", "picture"}:
            picture = kind == "picture"
            cool_until = clock.now + manners.cooling(SHOP)
            (left,) = departures(manners, clock, 1, picture=picture)
            assert left >= cool_until - 1e-6
            own_least = PACE.picture_seconds if picture else PACE.page_seconds
            assert left - last.get(kind, float("-inf")) >= own_least - 1e-6
            assert left - last.get("all", float("-inf")) >= crawl_delay - 1e-6
            last |= {kind: left, "all": left}
        elif kind == "blocked":
            manners.turned_away(SHOP, clock.now, number)
        elif kind == "crawl_delay":
            manners.obey_crawl_delay(SHOP, number)
            crawl_delay = max(crawl_delay, number)
            last["all"] = clock.now  # robots.txt itself was a request
        elif kind == "slow":
            lane_now = manners.lane(SHOP, picture=False)
            lane_now.delay = max(lane_now.least, number)
        else:
            clock.now += number


def test_pages_and_pictures_go_at_their_own_paces(manners: Manners, clock: Clock) -> None:
    """The listing waits 2 s while pictures go every quarter of a second."""
    began = clock.now
    pages = departures(manners, clock, 3)
    clock.now = began
    pictures = departures(manners, clock, 3, picture=True)
    assert 4.0 <= pages[-1] - pages[0] <= 4.0 * 1.2
    assert 0.5 <= pictures[-1] - pictures[0] <= 0.5 * 1.2


def test_those_who_wait_already_keep_to_a_cool_down(manners: Manners, clock: Clock) -> None:
    """Ten pictures that wait for their turn do not all leave at the end of a cool-down."""
    departures(manners, clock, 1, picture=True)
    assert 0 < manners.leave(SHOP, picture=True) < 1
    manners.turned_away(SHOP, clock.now)
    cool_until = clock.now + 30
    left = departures(manners, clock, 10, picture=True)
    assert left[0] >= cool_until
    assert all(later - earlier >= 0.25 - 1e-6 for earlier, later in itertools.pairwise(left))


def test_a_cool_down_doubles_until_an_answer_comes(clock: Clock) -> None:
    """30 s, 60 s, 120 s … 15 min; one served page makes it 30 s again."""
    manners = Manners(PACE, Patience(30, 900, 100, delay_most_seconds=900), clock)
    seconds = []
    for _ in range(7):
        seconds.append(manners.turned_away(SHOP, clock.now).seconds)
        clock.now += seconds[-1]
    assert seconds == [30, 60, 120, 240, 480, 900, 900]
    manners.answered(SHOP, clock.now, picture=False)
    assert manners.turned_away(SHOP, clock.now).seconds == 30


def test_a_pause_that_nobody_waits_for_ends_the_crawl(clock: Clock) -> None:
    """Ours are held to STJ_DELAY_MOST_SECONDS as theirs are."""
    manners = Manners(PACE, Patience(200, 900, 100), clock)
    assert manners.turned_away(SHOP, clock.now).over is None
    clock.now += 200
    words = "the next pause would be 6.67 minutes, over the 5 minutes of STJ_DELAY_MOST_SECONDS"
    assert manners.turned_away(SHOP, clock.now).over == words


def test_what_a_host_asked_for_is_told(manners: Manners, clock: Clock) -> None:
    """The longest wait that is not of our own making."""
    assert manners.waiting() is None
    departures(manners, clock, 1)
    assert manners.waiting() is None
    manners.obey_crawl_delay(SHOP, 20.0)
    assert manners.waiting() == (SHOP, 20.0, "Crawl-delay")
    manners.turned_away(PICTURES, clock.now, 40.0, picture=True)
    assert manners.waiting() == (PICTURES, 40.0, "rests")
    clock.now += 41
    assert manners.waiting() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (4.0, "4 seconds"),
        (119.6, "120 seconds"),
        (200, "3.33 minutes"),
        (301, "5.02 minutes"),
        (3 * 3600, "3 hours"),
        (90000, "25 hours"),
        (999999999, "31.7 years"),
        (1e25, "more years than anybody has"),
        (float("inf"), "more years than anybody has"),
    ],
)
def test_any_length_of_time_has_words(seconds: float, words: str) -> None:
    """From seconds to eternity."""
    assert spell(seconds) == words


def test_simultaneous_blocked_answers_count_once(manners: Manners, clock: Clock) -> None:
    """Four questions that were in the air together get one cool-down."""
    asked_at = clock.now
    clock.now += 1
    answers = [manners.turned_away(PICTURES, asked_at, picture=True) for _ in range(4)]
    assert [TurnedAway(30.0)] * 4 == answers


def test_the_breaker_opens_after_three_in_a_row(manners: Manners, clock: Clock) -> None:
    """The third blocked answer without a good one between them ends the crawl."""
    for _ in range(2):
        assert manners.turned_away(SHOP, clock.now).over is None
        clock.now += 900
    assert manners.turned_away(SHOP, clock.now).over == "it did so 3 times in a row"


def test_served_pictures_do_not_excuse_blocked_pages(manners: Manners, clock: Clock) -> None:
    """On a host that has both, each is counted for itself."""
    for _ in range(2):
        manners.turned_away(SHOP, clock.now)
        clock.now += 900
        manners.answered(SHOP, clock.now, picture=True)
    assert manners.turned_away(SHOP, clock.now).over


def test_an_answer_to_an_old_question_says_nothing(manners: Manners, clock: Clock) -> None:
    """What was asked before the block and served after it does not make up for it."""
    old = clock.now
    clock.now += 1
    manners.turned_away(SHOP, clock.now)
    manners.answered(SHOP, old, picture=False)
    clock.now += 100
    assert manners.turned_away(SHOP, clock.now).seconds == 60


def test_retry_after_is_waited_for(manners: Manners, clock: Clock) -> None:
    """Longer than our own pause: theirs counts; over STJ_DELAY_MOST_SECONDS: the crawl ends."""
    assert manners.turned_away(SHOP, clock.now, 45.0) == TurnedAway(45.0)
    away = manners.turned_away(SHOP, clock.now, 3600.0)
    assert away == TurnedAway(
        3600.0, "it asks to come back in 60 minutes, over the 5 minutes of STJ_DELAY_MOST_SECONDS"
    )


def test_a_host_of_this_machine_has_no_gap_unless_one_is_set(clock: Clock) -> None:
    """Nobody is disturbed on loopback; a Crawl-delay and a cool-down count there too."""
    local = "127.0.0.1:8787"
    free = Manners(PACE, PATIENCE, clock)
    assert [free.leave(local, picture=False) for _ in range(3)] == [0.0, 0.0, 0.0]
    free.obey_crawl_delay(local, 2.0)
    assert free.leave(local, picture=True) == 2.0
    asked = Manners(Pace(2.0, 0.25, 4, 0.0, given=True), PATIENCE, clock)
    assert [asked.leave(local, picture=False) for _ in range(2)] == [0.0, 2.0]


def test_a_crawl_delay_binds_pages_and_pictures_together(manners: Manners, clock: Clock) -> None:
    """The shop counts requests, not kinds of requests."""
    manners.obey_crawl_delay(SHOP, 2.0)
    left = departures(manners, clock, 2) + departures(manners, clock, 2, picture=True)
    assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(left))


def test_four_pictures_at_once(manners: Manners) -> None:
    """The gate lets four through."""

    async def taken() -> bool:
        gate = manners.gate(PICTURES)
        for _ in range(4):
            await gate.acquire()
        return gate.locked()

    assert asyncio.run(taken())


@given(st.one_of(st.none(), st.text(), st.integers().map(str), st.datetimes().map(str)))
def test_any_retry_after_is_a_length_of_time_or_nothing(value: str | None) -> None:
    """Never an exception, never negative."""
    seconds = retry_after_seconds(value)
    assert seconds is None or seconds >= 0


def test_retry_after_as_seconds_and_as_a_date() -> None:
    """Both forms of the header."""
    assert retry_after_seconds("120") == 120.0
    later = retry_after_seconds(format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True))
    assert later is not None
    assert 295 < later <= 300
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_seconds("soon") is None
