"""The studio's own queue: one job after the other, each command on a leash, what came out kept.

No command outlives its studio: a run that nobody shows would get into the way of the next one, and nothing is lost by ending it,
since every command goes on where it was when it is given again. What waits in the queue survives a restart and begins by itself;
what was under way is marked interrupted, with a button that gives it again.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from stj_core.clock import now
from stj_core.config import Config
from stj_core.errors import StjError
from stj_web.errors import RefusalError, busy, not_found
from stj_web.job_commands import Skipped, command_of, environment, outcome_of
from stj_web.job_files import Job, JobFolder, Step

WAITING_MOST = 20
"""So many jobs may wait."""
_POLL_SECONDS = 0.5
_OUTPUT_MOST = 64 << 20


class Jobs:
    """The queue of one catalogue."""

    def __init__(self, config: Config, latest: Callable[[], str | None]) -> None:
        """Take the settings, and how to learn the newest run's name."""
        self._config = config
        self._latest = latest
        self.files = JobFolder(config.catalog_url)
        self._changed = threading.Condition()
        self._ends = False
        self._thread: threading.Thread | None = None
        self._lock: IO[bytes] | None = None
        self._child: tuple[int, subprocess.Popen[bytes]] | None = None

    def begin(self) -> None:
        """Work off the queue from now on, if there is one and nobody else does."""
        with self._changed:
            if self._thread is None and not self._ends and self.files.folder.is_dir():
                self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
                self._thread.start()

    @property
    def works(self) -> bool:
        """Whether this studio works the queue off, and not another one."""
        return self._lock is not None

    def add(self, kind: str, title: str, options: Mapping[str, Any], steps: tuple[str, ...], by: str) -> Job:
        """Put a job at the end of the queue.

        Raises:
            RefusalError: too many wait already.
            CatalogError: the queue cannot be written.
        """
        jobs, _ = self.files.all()
        if sum(one.state == "queued" for one in jobs) >= WAITING_MOST:
            raise busy(f"{WAITING_MOST} jobs wait already.")
        job = self.files.add(kind, title, options, steps, by)
        self.files.prune()
        self.begin()
        with self._changed:
            self._changed.notify_all()
        return job

    def get(self, number: int) -> Job:
        """A job.

        Raises:
            RefusalError: there is none, or its document is damaged.
        """
        job = self.files.read(number)
        if job is None:
            raise not_found(f"There is no job {number} in the queue, or its document cannot be read.")
        return job

    def cancel(self, number: int) -> Job:
        """Stop a job: one that waits at once, one that runs by Ctrl-C first.

        Raises:
            RefusalError: there is no such job, or it has ended.
        """
        with self._changed:
            job = self.get(number)
            if job.over:
                raise RefusalError(409, "over", f"Job {number} has ended already: it is {job.state}.")
            if job.state == "queued":
                job = replace(
                    job, state="cancelled", cancel=True, ended_at=now(), sentence="It was taken from the queue."
                )
            else:
                job = replace(job, cancel=True)
            self.files.write(job)
            if self._child is not None and self._child[0] == number:
                _let_go(self._child[1])
            self._changed.notify_all()
        return job

    def again(self, number: int, by: str) -> Job:
        """Put a job that has ended into the queue once more; its commands go on where they were.

        Raises:
            RefusalError: there is no such job, it has not ended, or too many wait.
        """
        job = self.get(number)
        if not job.over:
            raise RefusalError(409, "not_over", f"Job {number} is {job.state}: it ends first.")
        return self.add(job.kind, job.title, job.options, tuple(step.name for step in job.steps), by)

    def close(self) -> None:
        """End the running command, politely first, and work no more."""
        with self._changed:
            self._ends = True
            child, thread = self._child, self._thread
            if child is not None:
                _let_go(child[1])
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        try:
            if not self._take_lock():
                return
            for job in self.files.all()[0]:
                if job.state == "running":
                    self.files.write(_stopped(job, "The studio ended while it ran; give it again and it goes on."))
            while True:
                with self._changed:
                    if self._ends:
                        return
                    waiting = [job for job in self.files.all()[0] if job.state == "queued"]
                    if not waiting:
                        self._changed.wait(_POLL_SECONDS * 4)
                        continue
                    job = replace(min(waiting, key=lambda one: one.id), state="running", began_at=now())
                    self.files.write(job)
                self._run(job)
        except StjError:
            # The queue cannot be written; the next who asks for a job is told.
            pass
        finally:
            with self._changed:
                if self._lock is not None:
                    self._lock.close()
                self._lock, self._thread = None, None

    def _take_lock(self) -> bool:
        """Hold the queue, waiting for another studio to end."""
        lock = (self.files.folder / "lock").open("ab")
        while not self._ends:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                with self._changed:
                    self._changed.wait(_POLL_SECONDS * 4)
                continue
            self._lock = lock
            return True
        lock.close()
        return False

    def _run(self, job: Job) -> None:
        if job.kind == "loop":
            job = replace(job, options={**job.options, "before": self._latest()})
        for step in job.steps:
            wanted = command_of(step, job)
            if isinstance(wanted, Skipped):
                job = job.with_step(replace(step, state="skipped", sentence=wanted.why))
                continue
            begun = replace(step, state="running", command=tuple(wanted), began_at=now())
            job = self._keep(job.with_step(begun))
            done = self._command(job, begun)
            job = self._keep(job.with_step(done))
            if done.state == "failed":
                break
        with self._changed:
            self.files.write(self._ended(job))

    def _keep(self, job: Job) -> Job:
        """Write the job as it is now, without losing that somebody wants it to stop."""
        with self._changed:
            known = self.files.read(job.id)
            job = replace(job, cancel=job.cancel or bool(known and known.cancel))
            self.files.write(job)
        return job

    def _command(self, job: Job, step: Step) -> Step:
        """Run one command on its leash, its talk into the log, and say what came out."""
        output = b""
        with self.files.log(job.id).open("ab") as log:
            log.write(f"== {step.name}\n".encode())
            log.flush()
            at = log.tell()
            with self._changed:
                if self._ends or job.cancel:
                    return replace(step, state="failed", ended_at=now(), sentence="It was stopped before it began.")
                leash = [sys.executable, "-m", "stj_web.leash", str(self.files.folder / "running"), *step.command]
                # The studio's own signals are not the command's: the leash tells it.
                child = subprocess.Popen(  # noqa: S603 - our own commands with checked arguments
                    leash,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment(self._config),
                    start_new_session=True,
                )
                self._child = (job.id, child)
            assert child.stdout is not None
            with child.stdout:
                while part := child.stdout.read(1 << 16):
                    # What is more than any of our commands says is no answer; it is read so that the command can end.
                    output = (output + part)[:_OUTPUT_MOST]
            code = child.wait()
            with self._changed:
                self._child = None
                _let_go(child)
        talk = self._talk(job.id, at)
        sentence, result = outcome_of(step, code, output.decode("utf-8", "replace"), talk)
        return replace(
            step, state="failed" if code else "done", code=code, ended_at=now(), sentence=sentence, result=result
        )

    def _talk(self, number: int, since: int) -> list[str]:
        with suppress(OSError), self.files.log(number).open("rb") as stream:
            stream.seek(max(since, stream.seek(0, 2) - (64 << 10)))
            return [line for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return []

    def _ended(self, job: Job) -> Job:
        known = self.files.read(job.id)
        cancelled = job.cancel or bool(known and known.cancel)
        failed = next((step for step in job.steps if step.state == "failed"), None)
        if failed is None:
            said = [step.sentence for step in job.steps if step.state == "done"]
            return replace(job, state="done", ended_at=now(), sentence=said[-1] if said else "Done.")
        if cancelled:
            return _stopped(replace(job, cancel=True), "It was stopped; give it again and it goes on.", "cancelled")
        if self._ends:
            return _stopped(job, "The studio ended while it ran; give it again and it goes on.")
        return replace(job, state="failed", ended_at=now(), sentence=failed.sentence)


def _stopped(job: Job, why: str, state: str = "interrupted") -> Job:
    steps = tuple(
        replace(step, state="failed", ended_at=step.ended_at or now(), sentence=step.sentence or why)
        if step.state == "running"
        else step
        for step in job.steps
    )
    return replace(job, steps=steps, state=state, ended_at=now(), sentence=why)


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Close the other end of the leash."""
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
