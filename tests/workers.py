"""Workers to test with: some that do everything at once in this process, and real ones of Dask's that one of may be killed."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from stj_core.cluster import Cluster, SharedFolder
from stj_core.partitions import Partition, SetAside


@dataclass
class Inline:
    """Does each partition at once, on a copy as a worker has it; those at some places fail for good."""

    here: bool = True
    fails: Callable[[int], bool] = lambda _: False
    done: list[Partition[Any]] = field(default_factory=list)

    def stream(self, partitions: Iterable[Partition[Any]]) -> Iterator[Any]:
        for one in partitions:
            self.done.append(one)
            if self.fails(len(self.done) - 1):
                yield SetAside("KilledWorker: it died")
            else:
                copy = pickle.loads(pickle.dumps(one))
                yield pickle.loads(pickle.dumps(copy.function(*copy.arguments)))

    @contextmanager
    def share(self, folder: Path, names: Sequence[str]) -> Iterator[SharedFolder]:
        assert [name for name in names if (folder / name).is_file()]
        yield SharedFolder("inline", str(folder))


@contextmanager
def inline(workers: Inline, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands that are given --cluster have these workers."""
    from stj_core import cluster

    @contextmanager
    def opened(where: str, tell: object, decides: object = ()) -> Iterator[Inline | None]:
        yield workers if where else None

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "open_cluster", opened)
        yield


def kill_one(monkeypatch: pytest.MonkeyPatch, mark: Path) -> None:
    """The worker that does the second partition dies of it, once."""
    stream = Cluster.stream

    def killing(self: Cluster, partitions: Iterable[Partition[Any]]) -> Iterator[Any]:
        def with_a_killer() -> Iterator[Partition[Any]]:
            for place, one in enumerate(partitions):
                arguments = (str(mark), one.function, one.arguments)
                yield replace(one, function=killed_once, arguments=arguments) if place == 1 else one

        return stream(self, with_a_killer())

    monkeypatch.setattr(Cluster, "stream", killing)


def killed_once(mark: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if not Path(mark).exists():
        Path(mark).write_text("killed")
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)


@contextmanager
def elsewhere(workers: int = 2) -> Iterator[str]:
    """A scheduler and its workers, as on other hosts; gives the scheduler's address."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=workers, **options) as found:
        yield found.scheduler_address
