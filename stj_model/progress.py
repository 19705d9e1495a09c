"""Words and bars for whoever waits: bars on a terminal only, everything on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stj_catalog.cli import on_terminal, say

Advance = Callable[[int], None]


class Talk:
    """Where a long work says how far it is; `silent` says nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent

    def say(self, text: str) -> None:
        """Say one line."""
        if not self.silent:
            say(text)

    @contextmanager
    def bar(self, description: str, total: int) -> Iterator[Advance]:
        """Show a bar of `total` steps; yields what moves it on by so many."""
        if self.silent or not on_terminal():
            self.say(f"{description} …")
            yield lambda _steps: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(description, total=total)
            yield lambda steps: progress.advance(task, steps)


SILENT = Talk(silent=True)
