"""Heavy work on several processes or hosts, by Dask; the only module that knows it.

Work is cut into partitions: each is a pure function's arguments, named after their content. What a partition brings depends on
nothing else, so that one that was lost with its worker is simply done again, and any number of workers brings the same. A
partition that fails three times is set aside with its reason, and the others go on. A worker of another version is refused: it
could bring something else.
"""

from __future__ import annotations

import logging
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stj_core import __version__
from stj_core.config import CLUSTERS, LOCAL_CLUSTER, REMOTE_CLUSTER
from stj_core.errors import StjError, UsageError
from stj_core.files import file_sha256
from stj_core.partitions import Partition, SetAside, content_name

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

TRIES = 3
PICTURES = ("numpy", "pillow")
"""Distributions whose version decides what a picture comes to."""
NETWORKS = (*PICTURES, "keras", "tensorflow", "onnxruntime")
"""Those whose version decides what a network says of one."""
# So many partitions for each thread of the workers are on their way at one time; fewer where they are so many bytes.
_AHEAD, _AHEAD_BYTES = 3, 128 << 20
_WAIT_SECONDS = 30
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class OtherVersionError(StjError):
    """A worker has other versions than the command that asks it."""


class LostClusterError(StjError):
    """The scheduler went away, and with it everything that was asked of it."""


@dataclass(frozen=True)
class SharedFolder:
    """A folder that every worker has.

    Attributes:
        name: of its content.
        place: where it is on this machine; empty where workers elsewhere have copies of their own.
    """

    name: str
    place: str = ""

    def folder(self) -> Path:
        """Where it is, asked on the worker."""
        if self.place:
            return Path(self.place)
        from distributed import get_worker

        from stj_core.cluster_files import folder_on

        return folder_on(get_worker(), self.name)


class Cluster:
    """Workers that do partitions.

    Attributes:
        here: whether they are processes of this machine, which read the files that this process reads.
    """

    def __init__(self, client: Any, *, here: bool = False, decides: Sequence[str] = PICTURES) -> None:  # noqa: ANN401 - half of its methods have no types
        self._client, self.here = client, here
        self._decides = tuple(decides)
        self._versions = versions(decides)
        self._threads = max(1, sum(self._client.nthreads().values()))
        self._asked = 0

    def stream(self, partitions: Iterable[Partition[T]]) -> Iterator[T | SetAside]:
        """Do partitions, and give what each brought, in their order; a few are asked for ahead.

        Raises:
            OtherVersionError: a worker of another version joined meanwhile.
            LostClusterError: the scheduler went away.
        """
        ahead: deque[_Asked] = deque()
        held = 0
        for one in partitions:
            while self._is_full(len(ahead), held + one.size):
                held -= ahead[0].partition.size
                yield self._first(ahead)
            self._asked += 1
            ahead.append(_Asked(one, self._asked, self._submit(one, self._asked, 1)))
            held += one.size
        while ahead:
            yield self._first(ahead)

    def _is_full(self, ahead: int, held: int) -> bool:
        """Whether enough is on its way: two partitions for each thread, and more where they are small."""
        return ahead >= max(8, _AHEAD * self._threads) or (held > _AHEAD_BYTES and ahead >= 2 * self._threads)

    def _first(self, ahead: deque[_Asked]) -> Any:  # noqa: ANN401 - what its function brings, or SetAside
        """What the first of those that were asked for brought."""
        first = ahead.popleft()
        if _error(first.future) is None:
            return first.future.result()
        _raise_other_version(first.future)
        # The others come to an end before it is tried again: a worker that dies takes others' partitions with it.
        for other in ahead:
            _error(other.future)
        return self._alone(first.partition, first.number)

    @contextmanager
    def share(self, folder: Path, names: Sequence[str]) -> Iterator[SharedFolder]:
        """Let every worker have some files of a folder for as long as the block lasts, those that join later too.

        Args:
            folder: of this machine.
            names: of files in it; those that are not there are left out.
        """
        there = [name for name in names if (folder / name).is_file()]
        name = content_name(*(part for one in there for part in (one, file_sha256(folder / one))))
        if self.here:
            yield SharedFolder(name, str(folder.resolve()))
            return
        from stj_core.cluster_files import Bring

        brought = Bring(name, {one: (folder / one).read_bytes() for one in there})
        with _lost():
            self._client.register_plugin(brought, name=f"stj-{name}")
        try:
            yield SharedFolder(name)
        finally:
            with _lost():
                self._client.unregister_worker_plugin(f"stj-{name}")

    def _alone(self, partition: Partition[Any], place: int) -> Any:  # noqa: ANN401 - what its function brings, or SetAside
        """Do a partition that failed once, while nothing else is done, so that it is clear whose fault it was."""
        why = "it was lost with its worker"
        for tried in range(2, TRIES + 1):
            future = self._submit(partition, place, tried)
            error = _error(future)
            if error is None:
                return future.result()
            _raise_other_version(future)
            why = f"{type(error).__name__}: {error}"
        return SetAside(" ".join(why.split())[:300])

    def _submit(self, one: Partition[T], place: int, tried: int) -> Any:  # noqa: ANN401 - Dask's future
        # What other versions would bring is other content.
        key = f"stj-{content_name(one.name, repr(self._versions))}-{place}-{tried}"
        with _lost():
            return self._client.submit(
                _do, one.function, one.arguments, self._decides, self._versions, key=key, pure=False
            )


@dataclass(frozen=True)
class _Asked:
    partition: Partition[Any]
    number: int
    future: Any = field(repr=False)


@contextmanager
def _lost() -> Iterator[None]:
    """Say in our words that the scheduler went away."""
    from asyncio import CancelledError
    from concurrent.futures import CancelledError as FutureCancelledError

    from distributed.client import FutureCancelledError as DaskCancelledError

    try:
        yield
    except (CancelledError, FutureCancelledError, DaskCancelledError, OSError, TimeoutError) as error:
        raise LostClusterError(
            f"The Dask scheduler went away ({type(error).__name__}): start it and its workers again, then give the same "
            "command again."
        ) from error


def _error(future: Any) -> BaseException | None:  # noqa: ANN401 - Dask's future
    """Wait for a future; what went wrong with it.

    Raises:
        LostClusterError: nobody is there any more who could say.
    """
    with _lost():
        error: BaseException | None = future.exception()
        if error is None and future.cancelled():
            future.result()
    return error


def _raise_other_version(future: Any) -> None:  # noqa: ANN401 - Dask's future
    error = _error(future)
    if isinstance(error, OtherVersionError):
        raise error


@contextmanager
def open_cluster(
    where: str, tell: Callable[[str], None] = lambda _: None, decides: Sequence[str] = PICTURES
) -> Iterator[Cluster | None]:
    """The workers that `where` means, for as long as the block lasts; None for an empty word.

    Args:
        where: `local` (a process for each processor), `local:4`, or a scheduler's address such as `tcp://scheduler:8786`.
        tell: told where the work can be watched.
        decides: the distributions that have to be of one version everywhere.

    Raises:
        UsageError: it is neither.
        StjError: Dask is not installed, no scheduler answers, it has no worker, or a worker has other versions.
    """
    local = LOCAL_CLUSTER.fullmatch(where)
    if not where:
        yield None
        return
    if local is None and not REMOTE_CLUSTER.fullmatch(where):
        raise UsageError(f"--cluster cannot be {where!r}: it is {CLUSTERS}.")
    try:
        import dask
        import distributed
    except ImportError as error:
        raise StjError("--cluster needs Dask: pip install 'stj[cluster]'.") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # workers that die are told by what they held
    # Pictures are large arguments, and meant to be.
    with (
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}),
        _local(distributed, local["workers"]) if local else _remote(distributed, where) as client,
    ):
        _see_versions(client, where, decides)
        if client.dashboard_link and not local:
            tell(f"Dask's dashboard: {client.dashboard_link}")
        yield Cluster(client, here=local is not None, decides=decides)


def versions(decides: Sequence[str] = PICTURES) -> dict[str, str]:
    """The versions of all that decides what a partition brings."""
    found = {"stj": __version__, "python": platform.python_version()}
    for name in decides:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


@contextmanager
def _local(distributed: Any, workers: str | None) -> Iterator[Client]:  # noqa: ANN401 - a module
    import os

    import dask

    settings = {
        "distributed.scheduler.allowed-failures": 0,  # every death of a worker is told, and counted here
        "distributed.worker.daemon": True,
        # One thread each, and memory as in any process of ours: Dask's workers give every freed array back to the system, and
        # asking for it anew costs a fifth of a fingerprint.
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(_ONE_THREAD, "1"),
    }
    with dask.config.set(settings):
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


def _see_versions(client: Client, where: str, decides: Sequence[str]) -> None:
    ours = versions(decides)
    for worker, theirs in sorted(client.run(versions, decides).items()):
        _compare(ours, theirs, f"The worker {worker} of {where}")


def _compare(ours: dict[str, str], theirs: dict[str, str], who: str) -> None:
    other = [f"{name} {theirs.get(name)}, not {said}" for name, said in ours.items() if theirs.get(name) != said]
    if other:
        raise OtherVersionError(
            f"{who} has {'; '.join(other)}: it could bring something else. Install the same versions everywhere."
        )


def _do(function: Callable[..., T], arguments: tuple[Any, ...], decides: Sequence[str], wanted: dict[str, str]) -> T:
    """Do a partition, on a worker."""
    _compare(wanted, versions(decides), "A worker that joined")
    return function(*arguments)
