"""The image store: original bytes under their checksum, in a folder or any fsspec URL.

A file is written aside, flushed to the disk and renamed, so that a file with its final name is whole; object stores put a
whole object or none. A picture's file is there before its row says so: until then it is told from one that nobody needs by its
age, and by the list that every process keeps of the files it has put (`in_hand`).
"""

from __future__ import annotations

import csv
import io
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from stj_core.clock import now
from stj_core.errors import AwayError, CatalogError
from stj_core.files import is_unfinished, read_quickly, unfinished_name, write_bytes, writer_is_gone, writer_lives
from stj_core.remote import is_away, is_no_bucket, said

LOST = "lost+found"
"""Below the store's root: files that nothing named, and a list of them; nothing else reads what is there."""
LOST_LIST = f"{LOST}/list.csv"
_LIST_COLUMNS = ("moved_at", "path", "why")
_IN_HAND = ".paths"
_DAY_SECONDS = 86_400.0


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

    @property
    def address(self) -> str:
        """What `open_store` opens it by, from any folder of this machine."""
        raise NotImplementedError  # the two stores below say how

    @property
    def elsewhere(self) -> bool:
        """Whether other hosts reach it by the same address."""
        return False

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
        """Every file of the store, sorted; those written aside and never finished too, those set aside not."""
        raise NotImplementedError  # the two stores below say how

    def is_empty(self) -> bool:
        """Whether there is no file at all, as where a disk is not mounted."""
        return next(self.paths(), None) is None

    def age(self, path: str) -> float:
        """How many seconds ago `path` was written, or put again; 0 where that is not known.

        Raises:
            FileNotFoundError: there is no such file.
        """
        raise NotImplementedError  # the two stores below say how

    def in_hand(self) -> set[str]:
        """Files that processes which are at work have put, and whose rows may not be written yet."""
        return set()

    def set_aside(self, path: str, why: str) -> None:
        """Move a file that nothing names to the folder of lost files, and list it there."""
        raise NotImplementedError  # the two stores below say how

    def lost(self) -> dict[str, str]:
        """The files that were set aside: name without ending (for pictures their sha256), and place in the store."""
        raise NotImplementedError  # the two stores below say how

    def take_back(self, lost: str, path: str) -> None:
        """Move a file that was set aside back to its place."""
        raise NotImplementedError  # the two stores below say how

    def is_leftover(self, path: str) -> bool:
        """Whether `path` was written aside by a process that died."""
        name = path.rsplit("/", 1)[-1]
        return is_unfinished(name) and not writer_lives(name)

    def is_unfinished(self, path: str) -> bool:
        """Whether `path` is, or was, being written."""
        return is_unfinished(path.rsplit("/", 1)[-1])

    def tidy(self) -> None:
        """Remove what dead processes wrote aside and never finished; object stores keep nothing unfinished."""


class FolderStore(ImageStore):
    """A store in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        """Open the store; its folder is made when the first picture comes."""
        self.root = root
        self._lock = threading.Lock()
        self._listed: TextIO | None = None

    @property
    def address(self) -> str:
        """Its folder."""
        return str(self.root.resolve())

    def put(self, sha256: str, extension: str, data: bytes) -> str:
        """Store a picture's bytes and return its path."""
        path = store_path(sha256, extension)
        target = f"{self.root}/{path}"
        try:
            self._list(path)
            with suppress(FileNotFoundError):
                if os.stat(target).st_size == len(data):  # noqa: PTH116 - strings cost less, thousands of times
                    os.utime(target)  # it is needed again: whoever looks for files that nobody needs sees a new one
                    return path
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
        return read_quickly(f"{self.root}/{path}")

    def local(self, path: str) -> Path | None:
        """The file itself."""
        return self.root / path

    def delete(self, path: str) -> None:
        """Remove the file at `path`, if it is there."""
        (self.root / path).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what processes of this host wrote aside before they died."""
        for file in (*self.root.glob("*/.*"), *self.root.glob(f".*{_IN_HAND}")):
            if writer_is_gone(file.name):
                file.unlink(missing_ok=True)

    def paths(self) -> Iterator[str]:
        """Every file of the store, sorted."""
        for folder in sorted(self.root.glob("*")):
            if folder.name != LOST and folder.is_dir():
                for file in sorted(folder.iterdir()):
                    yield f"{folder.name}/{file.name}"

    def is_empty(self) -> bool:
        """Whether there is no file at all."""
        return not any(next(one.iterdir(), None) for one in self.root.glob("*") if one.name != LOST and one.is_dir())

    def age(self, path: str) -> float:
        """How many seconds ago `path` was written, or put again."""
        return time.time() - (self.root / path).stat().st_mtime

    def in_hand(self) -> set[str]:
        """Files that were put by processes that live, or that may live on another host."""
        found: set[str] = set()
        for file in self.root.glob(f".*{_IN_HAND}"):
            with suppress(OSError):
                fresh = time.time() - file.stat().st_mtime < _DAY_SECONDS
                if is_unfinished(file.name) and not writer_is_gone(file.name) and (fresh or writer_lives(file.name)):
                    found |= set(file.read_text(encoding="utf-8").split("\n"))
        return found

    def set_aside(self, path: str, why: str) -> None:
        """Move a file to the folder of lost files; the list names it before it moves."""
        place = self.root / LOST
        place.mkdir(exist_ok=True)
        fresh = not (self.root / LOST_LIST).exists()
        with (self.root / LOST_LIST).open("a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows([_LIST_COLUMNS, (now(), path, why)] if fresh else [(now(), path, why)])
            file.flush()
            os.fsync(file.fileno())
        target = place / path.rsplit("/", 1)[-1]
        if target.exists():
            target = place / f"{target.stem}-{time.time_ns()}{target.suffix}"
        (self.root / path).rename(target)

    def lost(self) -> dict[str, str]:
        """The files that were set aside."""
        return {file.stem: f"{LOST}/{file.name}" for file in (self.root / LOST).glob("*") if file.is_file()}

    def take_back(self, lost: str, path: str) -> None:
        """Move a file that was set aside back to its place."""
        target = self.root / path
        target.parent.mkdir(exist_ok=True)
        (self.root / lost).rename(target)
        os.utime(target)

    def _list(self, path: str) -> None:
        """Write down that this process puts a file, before it does."""
        with self._lock:
            if self._listed is None:
                self.root.mkdir(parents=True, exist_ok=True)
                file = self.root / f"{unfinished_name()}{_IN_HAND}"
                self._listed = file.open("w", encoding="utf-8", buffering=1)
                weakref.finalize(self, _forget_list, self._listed, file, os.getpid())
            self._listed.write(f"{path}\n")


class RemoteStore(ImageStore):
    """A store behind an fsspec URL."""

    writers = 4

    def __init__(self, root: str) -> None:
        """Open the store; needs the URL's driver (`pip install stj[s3]` for s3://)."""
        import fsspec

        self._address = root
        try:
            self._files: Any
            # Without the driver's listings, which are kept for good and would not show what others put.
            self._files, self._root = fsspec.core.url_to_fs(root, use_listings_cache=False)
        except ImportError as error:
            # fsspec names the package of any other kind of store itself.
            remedy = ": pip install 'stj[s3]'" if root.startswith("s3") else ""
            raise CatalogError(f"Cannot open the image store {root} ({error}){remedy}.") from error
        except (ValueError, OSError) as error:
            raise CatalogError(f"Cannot open the image store {root}: {error}.") from error

    @property
    def address(self) -> str:
        """Its URL."""
        return self._address

    @property
    def elsewhere(self) -> bool:
        """It is, but for schemes of this process or machine."""
        return self._address.partition("://")[0] not in {"memory", "file", "local"}

    def put(self, sha256: str, extension: str, data: bytes) -> str:
        """Store a picture's bytes and return its path."""
        path = store_path(sha256, extension)
        with self._reached():
            # Also where it is there already: its age then says that somebody needs it.
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
        inside = (path.removeprefix(f"{self._root}/") for path in found)
        yield from sorted(path for path in inside if not path.startswith(f"{LOST}/"))

    def age(self, path: str) -> float:
        """How many seconds ago `path` was written; 0 where the store does not say."""
        with self._reached():
            try:
                return time.time() - float(self._files.modified(f"{self._root}/{path}").timestamp())
            except NotImplementedError:
                return 0.0

    def set_aside(self, path: str, why: str) -> None:
        """Move an object to the folder of lost files; the list names it before it moves."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        with self._reached():
            listed = f"{self._root}/{LOST_LIST}"
            before = bytes(self._files.cat_file(listed)) if self._files.exists(listed) else b""
            rows.writerows([(now(), path, why)] if before else [_LIST_COLUMNS, (now(), path, why)])
            self._files.pipe_file(listed, before + text.getvalue().encode())
            self._files.mv(f"{self._root}/{path}", f"{self._root}/{LOST}/{path.rsplit('/', 1)[-1]}")

    def lost(self) -> dict[str, str]:
        """The objects that were set aside."""
        with self._reached():
            place = f"{self._root}/{LOST}"
            found = self._files.find(place) if self._files.exists(place) else []
        return {Path(path).stem: path.removeprefix(f"{self._root}/") for path in found}

    def take_back(self, lost: str, path: str) -> None:
        """Move an object that was set aside back to its place."""
        with self._reached():
            self._files.mv(f"{self._root}/{lost}", f"{self._root}/{path}")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say in our words that the store cannot be used: keys that are missing, a line that is down."""
        try:
            yield
        except FileNotFoundError as error:
            # A bucket that is not there is no picture that was lost.
            if is_no_bucket(error):
                raise CatalogError(
                    f"Cannot use the image store {self._address}: there is no such bucket. Make it, or set STJ_IMAGES to "
                    "another place."
                ) from error
            raise
        except Exception as error:  # each driver has errors of its own, and they share no other ancestor
            if is_away(error):
                raise AwayError(f"The image store {self._address} cannot be reached: {said(error)}.") from error
            raise CatalogError(
                f"Cannot use the image store {self._address}: {said(error)}. "
                "See to its keys and the line to it, or set STJ_IMAGES to another folder."
            ) from error


def _forget_list(listed: TextIO, file: Path, pid: int) -> None:
    """Remove a process's list of the files it has put, when its store goes; a forked child leaves its parent's alone."""
    listed.close()
    if os.getpid() == pid:
        file.unlink(missing_ok=True)
