"""The manners that every STJ command shares: stdout is the result, stderr the talk, and the exit code says how it went.

0 done, 1 an expected failure in one sentence, 2 wrong usage, 3 a bug (with the log's path), 130 interrupted.
"""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from stj_core import __version__
from stj_core.errors import StjError, UsageError
from stj_core.extras import missing_extra
from stj_core.locations import Location
from stj_core.text import inert, json_inert

Function = TypeVar("Function", bound=Callable[..., Any])

BUG, INTERRUPTED = 3, 130
LOG_NAME = "stj-error.log"
# What is wrong with a place, and with nothing of ours: full, read-only, or somebody else's.
_PLACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
_NAME = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR})
_FILES = frozenset({errno.EMFILE, errno.ENFILE})
# What may be given instead, by the name of pydantic's complaint; its own words for the others.
_WANTED = {
    "int_parsing": "it is a whole number",
    "float_parsing": "it is a number",
    "greater_than": "it is more than {gt}",
    "greater_than_equal": "it is {ge} or more",
    "less_than": "it is less than {lt}",
    "less_than_equal": "it is {le} or less",
}
_RANGES = _WANTED.keys() - {"int_parsing", "float_parsing"}
# More letters than the first sentence of any command's help has.
_WHOLE = 1_000
GOES_ON = "Interrupted: the same command goes on from here."

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="Do it on Dask: local, local:4, or a scheduler such as tcp://scheduler:8786.  [STJ_CLUSTER]",
        show_default=False,
    ),
]


class _VersionMixin:
    """Gives a command the option --version, which is answered before anything else is looked at."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer keeps these types to itself
        """The parameters of the command, --version and --help last."""
        *own, help_option = super().get_params(ctx)  # type: ignore[misc]  # the class beside this one has it
        return [*own, _version_option(), help_option]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps these types to itself
        """Read what was typed; what an option cannot be is said with what was given."""
        try:
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]  # the class beside this one has it
        except typer.BadParameter as error:
            if (sentence := _impossible(error)) is None:
                raise
            raise UsageError(sentence) from error
        return rest


def _impossible(error: typer.BadParameter) -> str | None:
    """What an option was given and what it may be, in a sentence; None where typer's own words name both."""
    from pydantic import ValidationError

    if not isinstance(error.__cause__, ValidationError) or error.param is None:
        return None
    first = error.__cause__.errors()[0]
    words = _WANTED.get(first["type"], "").format(**first.get("ctx", {}))
    own = first["msg"].removeprefix("Value error, ").replace(f"{first['input']!r} is not one of", "it is one of")
    given = first["input"] if first["type"] in _RANGES else repr(first["input"])
    return f"{max(error.param.opts, key=len)} cannot be {given}: {words or own.rstrip('.')}."


class _Command(_VersionMixin, TyperCommand):
    """One command."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer keeps these types to itself
        """Run the command, unless a folder or a file was named by the address of another machine."""
        files = {
            one.name for one in self.params if (one.metavar or "").startswith("FILE")
        }  # text, where `-` is one too
        for name, given in ctx.params.items():
            for one in given if isinstance(given, list | tuple) else (given,):
                if isinstance(one, Path) or (name in files and isinstance(one, str)):
                    refuse_address(Path(one))
        return super().invoke(ctx)


class _Group(_VersionMixin, TyperGroup):
    """A program with several commands."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer keeps these types to itself
        """List the commands, each with the whole first sentence of its help: typer cuts it to what fits on one line."""
        rows = [
            (name, command.get_short_help_str(limit=_WHOLE))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class App(typer.Typer):
    """A command line whose every command answers --version."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:  # noqa: ANN401 - typer's
        """Register a command, as typer does."""
        options.setdefault("cls", _Command)
        return super().command(name, **options)


def refuse_address(place: Path) -> None:
    """See that a place is on this machine: `s3://bucket/dataset` would silently become a folder called `s3:`.

    Raises:
        UsageError: it is an address.
    """
    if address := Location.of(place).address:
        raise UsageError(
            f"{address} is an address, and a folder or file of this machine is meant here: only the catalogue (STJ_CATALOG), "
            "pictures (STJ_IMAGES), datasets and runs may lie elsewhere."
        )


def make_app(help_text: str) -> App:
    """A command line with the house's settings: --version everywhere, shell completion, and our own words for a bug."""
    return App(
        cls=_Group,
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its boxes cost more time than all the rest of --help
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    Args:
        app: the commands.
        arguments: what was typed, without the program's name; None takes it from `sys.argv`.
    """
    end_lightly()
    sys.exit(outcome(app, arguments))


def end_lightly() -> None:
    """Have the process end without a last look for circles among its objects, which takes half a second after a crawl.

    The system takes everything back anyway; files are closed, and threads joined, before.
    """
    atexit.register(gc.freeze)


def outcome(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        app(args=None if arguments is None else list(arguments))
        code = _flushed()
    except SystemExit as end:
        code = _number(end.code)
    except StjError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - the last door: whatever comes here is a bug, and gets a log
        if isinstance(error, ImportError) and (sentence := missing_extra(error)):
            say(sentence)
            return 1
        if isinstance(error, UnicodeEncodeError) and (word := _no_text(arguments)) is not None:
            say(f"{word!r} is no text: what is typed must be UTF-8.")
            return UsageError.exit_code
        if sentence := machines_fault(error):
            say(sentence)
            return 1
        say(f"This is a bug in STJ ({type(error).__name__}: {error}); please report it with {write_log(error)}.")
        return BUG
    if code == INTERRUPTED:
        say(GOES_ON)
    return code


def _no_text(arguments: Sequence[str] | None) -> str | None:
    """The first argument that holds bytes that are no character, if there is one."""
    given = sys.argv[1:] if arguments is None else arguments
    return next((one for one in given if any("\ud800" <= char <= "\udfff" for char in one)), None)


def machines_fault(error: BaseException) -> str | None:
    """What the machine lacks, in a sentence: room, leave, memory, or open files; None for anything that is no fault of its."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _FILES:
        return "Too many files are open: raise the limit (ulimit -n 1024), then give the same command again."
    if isinstance(error, MemoryError) or number == errno.ENOMEM or "can't start new thread" in str(error):
        return "This machine has too little memory left: close other programs, then give the same command again."
    if isinstance(error, OSError) and number in _NAME:
        return f"There can be no file {str(error.filename)[:200]!r}: {error.strerror}. Name another place."
    if isinstance(error, OSError) and number in _PLACE:
        return f"Cannot use {error.filename or 'the disk'}: {error.strerror}. Free some space, or name another place."
    return None


@contextmanager
def in_words() -> Iterator[None]:
    """Say what the machine lacks as one of our errors, for commands of another program, which know nothing of `run`.

    Raises:
        StjError: no room, memory, leave or open files.
    """
    try:
        yield
    except StjError:
        raise
    except Exception as error:
        if sentence := machines_fault(error):
            raise StjError(sentence) from error
        raise


def say(text: str) -> None:
    """Talk to the person: a line on stderr, in which nothing acts on the terminal."""
    print(inert(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the command line's voice


def emit(text: str) -> None:
    """Give the result: a line on stdout, in which nothing acts on the terminal."""
    print(inert(text))  # noqa: T201 - this is the command line's result


def emit_json(document: Any) -> None:  # noqa: ANN401 - any JSON value
    """Give the result as one JSON document on stdout."""
    emit(json_inert(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)))


def counted(number: int, thing: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def on_terminal() -> bool:
    """Whether a person watches stderr: progress bars appear only then."""
    return sys.stderr.isatty()


def write_log(error: BaseException) -> Path:
    """Write the traceback beside the work, or in the temporary folder where that cannot be written."""
    text = "".join(traceback.format_exception(error))
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        path = folder / LOG_NAME
        try:
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    return Path(os.devnull)


def _tell_version(context: typer.Context, asked: bool) -> None:
    if asked:
        emit(f"{context.find_root().info_name} {__version__}")
        raise typer.Exit


def _version(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_version, expose_value=False, help="Say the version, and end."
        ),
    ] = False,
) -> None:
    """Carries the option --version: typer makes options from functions only."""


@cache
def _version_option() -> Any:  # noqa: ANN401 - typer keeps this type to itself
    carrier = typer.Typer(add_completion=False)
    carrier.command()(_version)
    return typer.main.get_command(carrier).params[0]


def _number(code: str | int | None) -> int:
    """What `sys.exit` was given, as the shell will see it."""
    if code is None:
        return 0
    return code if isinstance(code, int) else 1


def _flushed() -> int:
    """Flush here, so that a reader who went away is met inside the `try`."""
    sys.stdout.flush()
    return 0


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own last flush does not fail too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
