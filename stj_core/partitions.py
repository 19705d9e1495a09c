"""Work cut into partitions that any worker may do: pure functions of content, named after it. Knows no engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
T = TypeVar("T")


@dataclass(frozen=True)
class SetAside:
    """A partition that failed again and again, and why."""

    reason: str


@dataclass(frozen=True)
class Partition(Generic[T]):
    """A piece of work.

    Attributes:
        name: of its content: equal names mean equal work.
        function: a pure function that every worker can import.
        arguments: what it is given.
        size: about how many bytes its arguments are, so that not too many wait at one time.
    """

    name: str
    function: Callable[..., T]
    arguments: tuple[Any, ...]
    size: int = 0


class Shared(Protocol):
    """A folder that every worker has."""

    @property
    def name(self) -> str:
        """Of its content."""

    def folder(self) -> Path:
        """Where it is, asked on the worker."""


class Workers(Protocol):
    """Who does partitions.

    Attributes:
        here: whether they are processes of this machine, which read the files that this process reads.
    """

    here: bool

    def stream(self, partitions: Iterable[Partition[T]]) -> Iterator[T | SetAside]:
        """Do partitions, and give what each brought, in their order; a few are asked for ahead."""

    def share(self, folder: Path, names: Sequence[str]) -> AbstractContextManager[Shared]:
        """Let every worker have some files of a folder for as long as the block lasts."""


def content_name(*parts: bytes | str) -> str:
    """A name for content: equal parts, and only those, have equal names."""
    told = hashlib.sha256()
    for one in parts:
        data = one.encode() if isinstance(one, str) else one
        told.update(hashlib.sha256(data).digest())
    return told.hexdigest()[:32]


def spread(
    workers: Workers,
    items: Iterable[Item],
    together: int,
    ask: Callable[[list[Item]], Partition[Sequence[T]]],
) -> Iterator[tuple[Item, T | SetAside]]:
    """Have workers do something with each of many items.

    Args:
        workers: who.
        items: what; read as they are needed.
        together: how many are one partition.
        ask: the partition that brings one thing for each of some items, in their order.

    Yields:
        Each item with what came of it, in their order; all items of a partition that failed three times with why.
    """
    asked: list[list[Item]] = []

    def partitions() -> Iterator[Partition[Sequence[T]]]:
        some: list[Item] = []
        for one in items:
            some.append(one)
            if len(some) == together:
                asked.append(some)
                yield ask(some)
                some = []
        if some:
            asked.append(some)
            yield ask(some)

    for brought in workers.stream(partitions()):
        part = asked.pop(0)
        if isinstance(brought, SetAside):
            yield from ((one, brought) for one in part)
        else:
            yield from zip(part, brought, strict=True)
