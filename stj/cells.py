"""Progress in a notebook's cells; nothing at all anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stj_core.console import SILENT, Advance, Talk

_SECONDS_BETWEEN = 0.2


class CellTalk(Talk):
    """Lines and bars below the cell that runs."""

    def say(self, text: str) -> None:
        """Say one line."""
        print(text)  # noqa: T201 - what a cell prints is its voice

    @contextmanager
    def bar(self, description: str, total: int, *, tenths: bool = True) -> Iterator[Advance]:  # noqa: ARG002 - a bar needs none
        """Show a bar of `total` steps; yields what moves it on by so many."""
        yield cell_bar(description, total)


def talk() -> Talk:
    """Where a long work says how far it is: in the cell of a notebook, or nowhere."""
    return CellTalk() if in_notebook() else SILENT


def progress() -> Callable[[str, int], Advance]:
    """From a stage's name and its total, what to call with how much was done."""
    return cell_bar if in_notebook() else lambda _what, _total: lambda _steps: None


def in_notebook() -> bool:
    """Whether this process answers to a notebook."""
    return "ipykernel" in sys.modules and "IPython" in sys.modules and _shell() is not None


def cell_bar(description: str, total: int) -> Advance:
    """Show a bar in the cell; what is returned moves it on."""
    from IPython.display import HTML, display
    from markupsafe import escape

    done, shown = 0, 0.0

    def drawn() -> Any:  # noqa: ANN401 - IPython's own
        words = f"{escape(description)}: {done:,} of {total:,}"
        return HTML(f'<progress value="{done}" max="{max(total, 1)}"></progress> {words}')  # type: ignore[no-untyped-call]  # IPython's

    handle = display(drawn(), display_id=True)  # type: ignore[no-untyped-call]  # IPython's

    def advance(steps: int) -> None:
        nonlocal done, shown
        done += steps
        if handle is not None and (done >= total or time.monotonic() - shown > _SECONDS_BETWEEN):
            shown = time.monotonic()
            handle.update(drawn())

    return advance


def _shell() -> Any:  # noqa: ANN401 - IPython's own
    from IPython import get_ipython

    return get_ipython()
