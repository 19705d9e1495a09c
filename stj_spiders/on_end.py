"""`STJ_ON_END`: a command of the user's that is run when a crawl ends other than well.

It is a list of arguments, never a shell's line, and what is to be told stands in its environment: text of a shop's can be read
there, and cannot be run.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from stj_core.cli import say
from stj_core.errors import UsageError
from stj_core.text import one_line, shortened

_SECONDS = 60.0
_MOST = 2_000


def read_command(given: str | None) -> list[str]:
    """The arguments of the command; none for an empty setting.

    Args:
        given: a JSON list of strings, or words as a shell would part them (quotes count, nothing else does).

    Raises:
        UsageError: it is neither.
    """
    text = (given or "").strip()
    if not text:
        return []
    try:
        words = json.loads(text) if text.startswith("[") else shlex.split(text)
    except ValueError:
        words = None
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) and "\0" not in word for word in words)
    ):
        raise UsageError(
            f'STJ_ON_END is a command such as ["/usr/bin/notify", "crawl"] or /usr/bin/notify crawl; got {given!r}.'
        )
    return words


def tell_end(command: Sequence[str], told: Mapping[str, object]) -> None:
    """Run the command and wait for it; whatever comes of it, the crawl's own end stands.

    Args:
        command: its arguments.
        told: what its environment says, each name behind `STJ_END_`.
    """
    if not command:
        return
    told = {f"STJ_END_{name.upper()}": value for name, value in told.items() if value is not None}
    environment = {**os.environ, **{name: shortened(one_line(str(value)), _MOST) for name, value in told.items()}}
    try:
        # The user's own command, without a shell; what it says on stdout is not mixed with our results.
        ended = subprocess.run(  # noqa: S603 - see above
            list(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        say(f"The command of STJ_ON_END could not be run ({one_line(str(error))}).")
        return
    if ended.returncode:
        say(f"The command of STJ_ON_END ended with exit code {ended.returncode}.")
