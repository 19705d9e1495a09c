"""The crawl service's user and password: made once, kept in a file that only its owner reads, found there by the studio."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from stj_core.errors import UsageError

PASSWORD_FILE = Path("scrapyd") / "password"
USER = "stj"


@dataclass(frozen=True)
class Credentials:
    """Who may use the crawl service.

    Attributes:
        user: a name.
        password: never shown by repr.
        made: whether it was made just now.
    """

    user: str
    password: str = field(repr=False)
    made: bool = False


def read_credentials(file: Path = PASSWORD_FILE) -> Credentials | None:
    """What the file holds, as `user:password`; None where there is no such file, or it cannot be read."""
    try:
        user, colon, password = file.read_text(encoding="utf-8").strip().partition(":")
    except (OSError, UnicodeDecodeError):
        return None
    return Credentials(user, password) if colon and user and password else None


def make_credentials(file: Path = PASSWORD_FILE) -> Credentials:
    """What the file holds, or a new password that it holds from now on.

    Raises:
        UsageError: others may read the file, or it cannot be written.
    """
    found = read_credentials(file)
    try:
        if found is not None:
            if os.name == "posix" and file.stat().st_mode & 0o077:
                raise UsageError(
                    f"Others may read the password in {file}: chmod 600 {file}, or remove it for a new one."
                )
            return found
        made = Credentials(USER, secrets.token_urlsafe(24), made=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{made.user}:{made.password}\n")
    except OSError as error:
        raise UsageError(
            f"The crawl service needs a password, and {file} cannot be written ({error.strerror}): "
            "start it in a folder of yours, or set SCRAPYD_USERNAME and SCRAPYD_PASSWORD."
        ) from error
    return made
