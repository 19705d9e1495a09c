"""The image store: original bytes under their checksum, in a folder or any fsspec URL.

A file is written aside, flushed to the disk and renamed, so that a file with its final name is whole; object stores put a
whole object or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stj_core.errors import CatalogError
from stj_core.files import is_unfinished, write_bytes, writer_is_gone


def store_path(sha256: str, extension: str) -> str:
    """The place of a picture below the store's root: `ab/abcdef….jpg`."""
    return f"{sha256[:2]}/{sha256}.{extension}"


def open_store(root: str) -> ImageStore:
    """Open the store at a folder or an fsspec URL such as `s3://bucket/images`."""
    if "://" in root and not root.startswith("file://"):
        return RemoteStore(root)
    return FolderStore(Path(root.removeprefix("file://")))


class ImageStore:
    """What every store can do; paths are relative to its root, with `/`.

    Attributes:
        writers: how many pictures at one time are worth taking in. One thread keeps up with any polite crawl and does not
            fight the event loop for the interpreter; a store that is waited for takes more.
    """

    writers = 1

    def put(self, sha256: str, extension: str, data: bytes) -> str:
        """Store a picture's bytes and return its path; storing it again changes nothing."""
        raise NotImplementedError  # the two stores below say how

    def read(self, path: str) -> bytes:
        """The bytes at `path`.

        Raises:
            FileNotFoundError: there is no such file.
        """
        raise NotImplementedError  # the two stores below say how

    def local(self, path: str) -> Path | None:  # noqa: ARG002 - a store elsewhere has none, whatever the path
        """The file on this machine that holds `path`, or None for a store elsewhere."""
        return None

    def delete(self, path: str) -> None:
        """Remove the file at `path`, if it is there."""
        raise NotImplementedError  # the two stores below say how

    def paths(self) -> Iterator[str]:
        """Every file of the store, sorted; those written aside and never finished too."""
        raise NotImplementedError  # the two stores below say how

    def is_leftover(self, path: str) -> bool:
        """Whether `path` was written aside by a process that died."""
        return is_unfinished(path.rsplit("/", 1)[-1])

    def tidy(self) -> None:
        """Remove what dead processes wrote aside and never finished; object stores keep nothing unfinished."""


class FolderStore(ImageStore):
    """A store in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        """Open the store; its folder is made when the first picture comes."""
        self.root = root

    def put(self, sha256: str, extension: str, data: bytes) -> str:
        """Store a picture's bytes and return its path."""
        path = store_path(sha256, extension)
        target = self.root / path
        with suppress(OSError):
            if target.stat().st_size == len(data):
                return path
        try:
            write_bytes(target, data)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise CatalogError(
                f"Cannot write to the image store {self.root}: {error.strerror}. Set STJ_IMAGES to another folder."
            ) from error
        except OSError as error:
            raise CatalogError(
                f"Cannot write {target}: {error.strerror}. Free some space, or set STJ_IMAGES to another folder."
            ) from error
        return path

    def read(self, path: str) -> bytes:
        """The bytes at `path`."""
        return (self.root / path).read_bytes()

    def local(self, path: str) -> Path | None:
        """The file itself."""
        return self.root / path

    def delete(self, path: str) -> None:
        """Remove the file at `path`, if it is there."""
        (self.root / path).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what processes of this host wrote aside before they died."""
        for file in self.root.glob("*/.*"):
            if writer_is_gone(file.name):
                file.unlink(missing_ok=True)

    def paths(self) -> Iterator[str]:
        """Every file of the store, sorted."""
        for file in sorted(self.root.glob("*/*")):
            yield file.relative_to(self.root).as_posix()


class RemoteStore(ImageStore):
    """A store behind an fsspec URL."""

    writers = 4

    def __init__(self, root: str) -> None:
        """Open the store; needs the URL's driver (`pip install stj[s3]` for s3://)."""
        import fsspec

        self._address = root
        try:
            self._files: Any
            self._files, self._root = fsspec.core.url_to_fs(root)
        except (ImportError, ValueError) as error:
            raise CatalogError(f"Cannot open the image store {root}: {error}.") from error

    def put(self, sha256: str, extension: str, data: bytes) -> str:
        """Store a picture's bytes and return its path."""
        path = store_path(sha256, extension)
        with self._reached():
            if not self._files.exists(f"{self._root}/{path}"):
                self._files.pipe_file(f"{self._root}/{path}", data)
        return path

    def read(self, path: str) -> bytes:
        """The bytes at `path`."""
        with self._reached():
            return bytes(self._files.cat_file(f"{self._root}/{path}"))

    def delete(self, path: str) -> None:
        """Remove the file at `path`, if it is there."""
        with self._reached():
            if self._files.exists(f"{self._root}/{path}"):
                self._files.rm_file(f"{self._root}/{path}")

    def paths(self) -> Iterator[str]:
        """Every file of the store, sorted."""
        with self._reached():
            found = self._files.find(self._root) if self._files.exists(self._root) else []
        yield from sorted(path.removeprefix(f"{self._root}/") for path in found)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say in our words that the store cannot be used: keys that are missing, a line that is down."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each driver has errors of its own, and they share no other ancestor
            raise CatalogError(
                f"Cannot use the image store {self._address}: {str(error).rstrip('.') or type(error).__name__}. "
                "See to its keys and the line to it, or set STJ_IMAGES to another folder."
            ) from error
