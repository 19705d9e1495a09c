"""One seed of chaos: hostile crawls of a lying shop on a failing machine, then calm ones; and the laws that were broken."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.forking import ForkServer
from tests.chaos.laws import broken_at_the_end, broken_on_disk, broken_when_well
from tests.chaos.machine import FIRST_KINDS, KINDS, Ended, Failure, crawl, failure_of, run
from tests.chaos.shop import Shop, open_shop

WELL = Failure("well")
MOST_CALM = 3


@dataclass
class Seen:
    """What a seed came to.

    Attributes:
        seed: its number.
        crawls: of each crawl its failure, exit code, seconds and megabytes.
        lies: that the shop told.
        broken: laws, with the crawl that broke them.
    """

    seed: int
    crawls: list[tuple[str, int, float, float]] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """A line, and one more for each broken law."""
        told = ", ".join(f"{kind} -> {code} ({seconds:.0f} s, {mb:.0f} MB)" for kind, code, seconds, mb in self.crawls)
        return "\n".join(
            [f"seed {self.seed}: {told}; {len(self.lies)} lies", *(f"    BROKEN {one}" for one in self.broken)]
        )


def try_seed(
    seed: int, place: Path, kinds: tuple[str, ...] = (), hostile: int = 2, server: ForkServer | None = None
) -> Seen:
    """Run a seed in an empty folder.

    Args:
        seed: decides the lies and the failures.
        place: where it crawls.
        kinds: of the failures, instead of those that the seed chooses.
        hostile: crawls before the shop and the machine are well.
        server: forks the commands; without one they are started as a person does.
    """
    dice, seen = random.Random(seed), Seen(seed)
    place.mkdir(parents=True, exist_ok=True)
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n")
    shares = {
        "page_share": dice.choice([0.0, 0.2, 0.5, 0.8]),
        "picture_share": dice.choice([0.1, 0.4, 0.8]),
        "rules_share": dice.choice([0.0, 0.0, 0.0, 0.5]),
    }
    with open_shop(seed, **shares) as shop:
        for number in range(len(kinds) or hostile):
            failure = failure_of(dice, kinds[number] if kinds else dice.choice(KINDS if number else FIRST_KINDS))
            ended = crawl(place, shop, failure, server)
            _note(seen, failure, ended, shop, place)
        seen.lies = [name for _, name in shop.told]
        shop.calm = True
        for _ in range(MOST_CALM):
            ended = crawl(place, shop, WELL, server)
            _note(seen, WELL, ended, shop, place)
            if ended.code == 0:
                break
        # What an earlier crawl rejected, a later one asks for again.
        ended = crawl(place, shop, WELL, server)
        _note(seen, WELL, ended, shop, place)
        if ended.code:
            seen.broken.append(f"the last crawl ended with {ended.code}: {ended.err.strip()[-300:]}")
        seen.broken += broken_when_well(place, shop.origin, shop.goods)
    seen.broken += _verified(place, server)
    return seen


def _note(seen: Seen, failure: Failure, ended: Ended, shop: Shop, place: Path) -> None:
    seen.crawls.append((_spelled(failure), ended.code, ended.seconds, ended.megabytes))
    broken = broken_at_the_end(ended.code, ended.err, ended.megabytes, shop.canary, set(failure.allowed), failure.kind)
    broken += broken_on_disk(place)
    seen.broken += [f"crawl {len(seen.crawls)} ({_spelled(failure)}): {one}" for one in broken]


def _spelled(failure: Failure) -> str:
    details = {name: value for name, value in (failure.inside or {}).items() if name != "kind"}
    words = [f"{value:.0f}" if isinstance(value, float) else str(value) for value in details.values()]
    return " ".join([failure.kind, *words, *([f"at {failure.at}"] if failure.signals else [])])


def _verified(place: Path, server: ForkServer | None) -> list[str]:
    """What `stj-dataset verify` says after a repair of what kills leave behind."""
    ask = ["stj-dataset", "verify", "--json"]
    run([*ask, "--repair"], place, server)
    ended = run(ask, place, server)
    if ended.code == 0 and json.loads(ended.out)["ok"]:
        return []
    return [f"verify ended with {ended.code}: {ended.out[:300]} {ended.err[-300:]}"]
