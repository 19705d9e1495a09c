"""Files that Dask's workers are given; imported only where there are workers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin


def folder_on(worker: Worker, name: str) -> Path:
    """Where a worker has the files of that name."""
    return Path(worker.local_directory) / f"stj-{name}"


class Bring(WorkerPlugin):
    """Gives every worker some files, those that join or are started again later too, and takes them away at the end."""

    def __init__(self, name: str, files: Mapping[str, bytes]) -> None:
        self.called, self.files = name, dict(files)

    def setup(self, worker: Worker) -> None:
        """Write the files aside, and rename their folder when all are there."""
        target = folder_on(worker, self.called)
        if target.is_dir():
            return
        part = target.with_name(f".{target.name}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name, data in self.files.items():
            (part / name).write_bytes(data)
        part.rename(target)

    def teardown(self, worker: Worker) -> None:
        """Take the files away."""
        shutil.rmtree(folder_on(worker, self.called), ignore_errors=True)
