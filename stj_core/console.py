"""What a person sees on a terminal: tables and progress bars."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from stj_core.cli import on_terminal

if TYPE_CHECKING:
    from rich.table import Table

from contextlib import contextmanager

from stj_core.cli import say
from stj_core.text import inert


@contextlib.contextmanager
def bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Make progress bars on a terminal, and nothing anywhere else.

    Yields:
        from a stage's name and its total, what to call with how much was done.
    """
    if not on_terminal():
        yield lambda what, total: lambda _: None  # noqa: ARG005 - nobody watches
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def start(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda done: progress.advance(task, done)

        yield start


def make_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, words: int = 1) -> Table:
    """A table for people; all columns but the first `words` hold numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=inert(title), header_style="bold")
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < words else "right")
    for row in rows:
        # As text, not as markup: a title may hold square brackets, and whatever else.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else inert(str(cell))) for cell in row))
    return table


def show(*things: Table | str) -> None:
    """Give the result on stdout: tables for people, and lines that no width breaks, a table's title among them."""
    from rich.console import Console

    console = Console(highlight=False)
    for one in things:
        if not isinstance(one, str) and one.title:
            console.print(one.title, markup=False, soft_wrap=True)
            one.title = None
        if isinstance(one, str):
            console.print(inert(one), markup=False, soft_wrap=True)
        else:
            console.print(one, markup=False)


Advance = Callable[[int], None]
LINE_SECONDS, LINE_SECONDS_LEAST = 30.0, 1.0
"""Without a terminal: seconds after which a long work says how far it is, and that are between two lines at least."""


class Talk:
    """Where a long work says how far it is; `silent` says nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent

    def say(self, text: str) -> None:
        """Say one line."""
        if not self.silent:
            say(text)

    @contextmanager
    def bar(self, description: str, total: int, *, tenths: bool = True) -> Iterator[Advance]:
        """Show a bar of `total` steps; yields what moves it on by so many.

        Without a terminal it is a line at every tenth of the way, and whenever `LINE_SECONDS` have passed since the last.

        Args:
            description: what is done.
            total: steps.
            tenths: lines at every tenth too; not where the work says by itself how far it is.
        """
        if self.silent or not on_terminal():
            self.say(f"{description} …")
            yield self._lines(description, total, tenths=tenths)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(description, total=total)
            yield lambda steps: progress.advance(task, steps)

    def _lines(self, description: str, total: int, *, tenths: bool) -> Advance:
        """What is called with steps, and says a line now and then; nothing about what is done in a moment."""
        begun = told = time.monotonic()
        done = tenth = 0

        def advance(steps: int) -> None:
            nonlocal told, done, tenth
            done += steps
            now, reached = time.monotonic(), 10 * done // max(total, 1)
            due = tenths and reached > tenth and now - told >= LINE_SECONDS_LEAST
            if due or now - told >= LINE_SECONDS:
                told, tenth = now, reached
                self.say(f"{description}: {done:,} of {total:,} ({done / max(total, 1):.0%}, {now - begun:.0f} s)")

        return advance


SILENT = Talk(silent=True)
