"""Ask a target about mutated inputs and say which broke the law."""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target

SECONDS = 2.0
MEGABYTES = 500


@dataclass(frozen=True)
class Finding:
    """An input that raised what it may not, took too long or too much memory."""

    target: str
    seed: int
    what: str
    data: bytes

    def __str__(self) -> str:
        """One paragraph for a person."""
        return f"{self.target}, seed {self.seed}, {len(self.data)} bytes {self.data[:60]!r}: {self.what}"


def fuzz(name: str, target: Target, seed: int, number: int) -> Iterator[Finding]:
    """The findings among `number` inputs, of the seeds from `seed` on."""
    inputs = target.inputs()
    for one in range(seed, seed + number):
        data = mutated(one, inputs)
        before, began = _peak(), time.process_time()
        try:
            target.ask(data)
        except target.allowed:
            pass
        except Exception as error:  # noqa: BLE001 - that is the finding
            place = traceback.extract_tb(error.__traceback__)[-1]
            yield Finding(name, one, f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})", data)
        spent, grown = time.process_time() - began, _peak() - before
        if spent > SECONDS:
            yield Finding(name, one, f"took {spent:.1f} CPU-seconds", data)
        if grown > MEGABYTES:
            yield Finding(name, one, f"took {grown:.0f} MB", data)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
