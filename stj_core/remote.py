"""Files behind an address that fsspec opens, and one sentence for whatever goes wrong there.

Object stores put a whole object or none, have no folders, and rename nothing: what lies there is therefore described by a list of
files (`stj_core.published`), and never by what happens to be found.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stj_core.errors import AddressError, UsageError

# What botocore and aiohttp call a line that is down; none of them is an error of Python's own.
_AWAY = frozenset(
    (
        *(
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ConnectionClosedError",
            "ConnectionError",
        ),
        *("ClientConnectorError", "ClientOSError", "ServerDisconnectedError", "ServerTimeoutError", "HTTPClientError"),
    )
)
_MD5_DIGITS = 32
_NO_BUCKET = re.compile(r"bucket does not exist|NoSuchBucket|no such bucket", re.IGNORECASE)
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a store says of a file.

    Attributes:
        size: in bytes.
        md5: of its bytes, in hex; empty where the store does not say.
    """

    size: int
    md5: str


class Remote:
    """The files below an address, by their names relative to it, with `/`."""

    def __init__(self, address: str) -> None:
        """Open it; nothing is asked yet.

        Raises:
            UsageError: there is no such kind of address, it names no place, or it has a password in it.
            AddressError: the driver for it is not installed.
        """
        import fsspec

        scheme, _, rest = address.partition("://")
        if not rest.strip("/"):
            raise UsageError(f"{address} names no place: write it as {scheme}://bucket/folder.")
        if urlsplit(address).password:
            raise UsageError(
                f"An address of {scheme} with a password in it would be kept in the catalogue and in runs: leave it to the "
                "driver, which looks for it in its environment, its configuration or a key."
            )
        # Without the driver's listings, which are kept for good and would not show what others put.
        options: dict[str, Any] = {"auto_mkdir": True} if scheme in {"file", "local"} else {"use_listings_cache": False}
        self.address = address
        self._files: Any
        try:
            self._files, root = fsspec.core.url_to_fs(address, **options)
        except ImportError as error:
            # fsspec names the package of any other kind of store itself.
            remedy = ": pip install 'stj[s3]'" if address.startswith("s3") else ""
            raise AddressError(f"Cannot open {address} ({error}){remedy}.") from error
        except ValueError as error:
            raise UsageError(f"Cannot open {address}: {said(error)}.") from error
        self._root = str(root).rstrip("/")

    def listing(self) -> dict[str, RemoteFile]:
        """Every file below the address.

        Raises:
            AddressError: it cannot be asked, or there is no such bucket.
        """
        with self._reached():
            try:
                found: Mapping[str, Mapping[str, Any]] = self._files.find(self._root, detail=True)
            except FileNotFoundError as error:
                if is_no_bucket(error):
                    raise
                return {}
        return {
            path.removeprefix(f"{self._root}/"): RemoteFile(int(about.get("size") or 0), _md5(about))
            for path, about in found.items()
        }

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none.

        Raises:
            AddressError: it cannot be asked, or there is no such bucket.
        """
        with self._reached():
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError as error:
                if is_no_bucket(error):
                    raise
                return None

    def put(self, name: str, data: bytes) -> None:
        """Write a small file."""
        with tempfile.TemporaryDirectory(prefix="stj-") as folder:
            file = Path(folder, "data")
            file.write_bytes(data)
            self.send(name, file)

    def send(self, name: str, file: Path) -> None:
        """Write a file of this machine there."""
        with self._reached():
            self._files.put_file(str(file), self._path(name))

    def bring(self, name: str, file: Path) -> bool:
        """Write a file that is there onto this machine; whether there is one."""
        with self._reached():
            try:
                self._files.get_file(self._path(name), str(file))
            except FileNotFoundError as error:
                if is_no_bucket(error):
                    raise
                return False
        return True

    def sha256(self, name: str) -> str:
        """The sha256 of a file's bytes, read again; empty where there is none."""
        digest = hashlib.sha256()
        with self._reached():
            try:
                with self._files.open(self._path(name), "rb") as stream:
                    while block := stream.read(1 << 22):
                        digest.update(block)
            except FileNotFoundError:
                return ""
        return digest.hexdigest()

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no fault."""
        with self._reached():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise  # of this machine
        except NotImplementedError as error:
            raise AddressError(
                f"Cannot use {self.address}: its kind of address does not allow that. Name another place."
            ) from error
        except Exception as error:  # each driver has errors of its own, and they share no other ancestor
            if isinstance(error, OSError) and error.errno in _DISK:
                raise  # of this machine
            if isinstance(error, FileNotFoundError) and is_no_bucket(error):
                raise AddressError(
                    f"Cannot use {self.address}: there is no such bucket. Make it, or name another place."
                ) from error
            if is_away(error):
                raise AddressError(
                    f"{self.address} cannot be reached: {said(error)}. Give the same command again when it is back."
                ) from error
            raise AddressError(
                f"Cannot use {self.address}: {said(error)}. See to its keys and the line to it, or name another place."
            ) from error


def is_away(error: BaseException) -> bool:
    """Whether a store cannot be reached now; each driver has classes of its own for that."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(one, ConnectionError | TimeoutError) or type(one).__name__ in _AWAY for one in causes if one)


def is_no_bucket(error: FileNotFoundError) -> bool:
    """Whether it is the bucket that is not there, and not a file, whose path may have the word in it."""
    return _NO_BUCKET.search(str(error)) is not None


def said(error: BaseException) -> str:
    """What an error says, without its full stop."""
    return str(error).rstrip(".") or type(error).__name__


def _md5(about: Mapping[str, Any]) -> str:
    """The MD5 that S3 gives as an object's tag, where it was put in one piece and is not encrypted by a key of one's own."""
    tag = str(about.get("ETag") or "").strip('"').lower()
    plain = len(tag) == _MD5_DIGITS and about.get("type") == "file"
    return tag if plain and all(one in "0123456789abcdef" for one in tag) else ""
