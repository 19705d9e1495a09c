"""Heavy work on several processes or hosts, by Dask; the only module that knows it.

Work is cut into partitions: each is a pure function's arguments, named after their content. What a partition brings depends on
nothing else, so that one that was lost with its worker is simply done again, and any number of workers brings the same. A
partition that fails three times is set aside with its reason, and the others go on. A worker of another version is refused: it
could bring something else.
"""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stj_core import __version__
from stj_core.errors import StjError, UsageError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

TRIES = 3
_DECIDES = ("numpy", "pillow")
"""Distributions whose version decides what a picture comes to."""
_WAIT_SECONDS = 30
_LOCAL = re.compile(r"local(?::(?P<workers>[1-9]\d{0,3}))?")
_REMOTE = re.compile(r"(?:tcp|tls)://\S+:\d+")


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
    """

    name: str
    function: Callable[..., T]
    arguments: tuple[Any, ...]


class OtherVersionError(StjError):
    """A worker has other versions than the command that asks it."""


class Cluster:
    """Workers that do partitions."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._versions = versions()

    def map(self, partitions: Sequence[Partition[T]]) -> Iterator[tuple[int, T | SetAside]]:
        """Do partitions; yields the place of each with what it brought, in the order in which they are done.

        Raises:
            OtherVersionError: a worker of another version joined meanwhile.
        """
        import distributed

        completed: Any = distributed.as_completed  # it has no types
        suspects: list[int] = []
        futures = {self._submit(one, place, 1): place for place, one in enumerate(partitions)}
        for future in completed(list(futures)):
            place = futures.pop(future)
            if future.status == "finished":
                yield place, future.result()
            else:
                _raise_other_version(future)
                suspects.append(place)
        # One by one: a worker that dies takes others' partitions with it, and now it is clear whose fault it was.
        for place in suspects:
            alone: T | SetAside = self._alone(partitions[place], place)
            yield place, alone

    def _alone(self, partition: Partition[Any], place: int) -> Any:  # noqa: ANN401 - what its function brings, or SetAside
        """Do a partition that failed once, while nothing else is done."""
        why = "it was lost with its worker"
        for tried in range(2, TRIES + 1):
            future = self._submit(partition, place, tried)
            error = future.exception()
            if error is None:
                return future.result()
            _raise_other_version(future)
            why = f"{type(error).__name__}: {error}"
        return SetAside(" ".join(why.split())[:300])

    def _submit(self, one: Partition[T], place: int, tried: int) -> Any:  # noqa: ANN401 - Dask's future
        key = f"stj-{one.name}-{place}-{tried}"
        return self._client.submit(_do, one.function, one.arguments, self._versions, key=key, pure=False)


def _raise_other_version(future: Any) -> None:  # noqa: ANN401 - Dask's future
    error = future.exception() if future.status == "error" else None
    if isinstance(error, OtherVersionError):
        raise error


@contextmanager
def open_cluster(where: str, tell: Callable[[str], None] = lambda _: None) -> Iterator[Cluster | None]:
    """The workers that `where` means, for as long as the block lasts; None for an empty word.

    Args:
        where: `local` (a process for each processor), `local:4`, or a scheduler's address such as `tcp://scheduler:8786`.
        tell: told where the work can be watched.

    Raises:
        UsageError: it is neither.
        StjError: Dask is not installed, no scheduler answers, it has no worker, or a worker has other versions.
    """
    local = _LOCAL.fullmatch(where)
    if not where:
        yield None
        return
    if local is None and not _REMOTE.fullmatch(where):
        raise UsageError(
            f"--cluster cannot be {where!r}: it is local, local:4, or a scheduler such as tcp://scheduler:8786."
        )
    try:
        import distributed
    except ImportError as error:
        raise StjError("--cluster needs Dask: pip install 'stj[cluster]'.") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # workers that die are told by what they held
    with _local(distributed, local["workers"]) if local else _remote(distributed, where) as client:
        _see_versions(client, where)
        if client.dashboard_link and not local:
            tell(f"Dask's dashboard: {client.dashboard_link}")
        yield Cluster(client)


def versions() -> dict[str, str]:
    """The versions of all that decides what a partition brings."""
    found = {"stj": __version__, "python": platform.python_version()}
    for name in _DECIDES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


@contextmanager
def _local(distributed: Any, workers: str | None) -> Iterator[Client]:  # noqa: ANN401 - a module
    import os

    import dask

    # Every death of a worker is told, and counted here.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.worker.daemon": True}):
        many = int(workers or os.cpu_count() or 1)
        options = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": logging.CRITICAL}
        with (
            distributed.LocalCluster(n_workers=many, threads_per_worker=1, processes=True, **options) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@contextmanager
def _remote(distributed: Any, address: str) -> Iterator[Client]:  # noqa: ANN401 - a module
    try:
        client = distributed.Client(address, timeout=_WAIT_SECONDS)
    except (OSError, TimeoutError) as error:
        raise StjError(
            f"No Dask scheduler answers at {address}: start one there (dask scheduler), or give --cluster local."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_WAIT_SECONDS)
        except TimeoutError as error:
            raise StjError(
                f"The Dask scheduler at {address} has no worker: start one (dask worker {address})."
            ) from error
        yield client


def _see_versions(client: Client, where: str) -> None:
    ours = versions()
    for worker, theirs in sorted(client.run(versions).items()):
        _compare(ours, theirs, f"The worker {worker} of {where}")


def _compare(ours: dict[str, str], theirs: dict[str, str], who: str) -> None:
    other = [f"{name} {theirs.get(name)}, not {said}" for name, said in ours.items() if theirs.get(name) != said]
    if other:
        raise OtherVersionError(
            f"{who} has {'; '.join(other)}: it could bring something else. Install the same versions everywhere."
        )


def _do(function: Callable[..., T], arguments: tuple[Any, ...], wanted: dict[str, str]) -> T:
    """Do a partition, on a worker."""
    _compare(wanted, versions(), "A worker that joined")
    return function(*arguments)
