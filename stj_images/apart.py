"""Run a function of bytes in a process of its own: its memory goes with it, and so does whatever a decoder does to it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from stj_core import errors
from stj_core.errors import PictureError, TooLargeError

SECONDS = 120
_MOST_MEMORY = 3 << 30


def ask_apart(module: str, data: bytes, arguments: Sequence[str]) -> dict[str, str]:
    """What the module's `answer_apart`, in another process, says of a picture.

    Args:
        module: the module to run with `python -m`.
        data: the picture's bytes, on its standard input.
        arguments: of its command line.

    Raises:
        PictureError: as the function raises it; a process that dies, or takes two minutes, says that the picture is too large.
    """
    try:
        done = subprocess.run(  # noqa: S603 - this very interpreter and a module of ours
            [sys.executable, "-m", module, *arguments],
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        document = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise TooLargeError(f"The picture took more than {SECONDS} seconds to decode.") from error
    except ValueError as error:
        raise TooLargeError(f"The picture does not fit into {_MOST_MEMORY >> 30} GiB while it is decoded.") from error
    if "error" in document:
        kind = getattr(errors, document["error"], PictureError)
        raise kind(document["sentence"])
    return {str(name): str(value) for name, value in document.items()}


def answer_apart(answer: Callable[[bytes, Sequence[str]], dict[str, str]]) -> None:
    """The other process: read a picture from stdin, and print the answer, or the error's name and sentence, as JSON."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    try:
        document = answer(sys.stdin.buffer.read(), sys.argv[1:])
    except PictureError as error:
        document = {"error": type(error).__name__, "sentence": str(error)}
    sys.stdout.write(json.dumps(document))
