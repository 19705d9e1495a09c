"""What `predict` is given: files, folders, patterns, ZIP archives, addresses and lists of these; each is answered or named.

Folders are searched for pictures, by their endings or their first bytes; what is no picture there is listed with the reason. A
file that is named is always asked about, whatever it is called.
"""

from __future__ import annotations

import codecs
import glob
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from stj_core.addresses import NamedHosts
from stj_core.class_folders import PassedOver, find_pictures
from stj_core.errors import PictureError, TooLargeError, UsageError
from stj_core.picture_types import SUFFIXES, is_picture_signature
from stj_images.decode import MAX_BYTES
from stj_model.damage import PARSER_ERRORS, reason
from stj_model.preprocess import read_file

STDIN, ARCHIVE = "-", ".zip"
HEAD = 32
"""Bytes that tell a picture from other files."""
OPEN_ARCHIVES = 8
"""Archives that are kept open at a time: a folder may hold more of them than a process may have files."""
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/|(data):", re.ASCII)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Readable(Protocol):
    """A picture that can be read."""

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            PictureError: it cannot be read.
        """


@dataclass(frozen=True)
class FileInput:
    """A picture in a file of its own."""

    path: Path

    def read(self) -> bytes:
        """Its bytes, as in `Readable`."""
        return read_file(self.path)


@dataclass(frozen=True)
class MemberInput:
    """A picture in an archive."""

    path: Path
    member: zipfile.ZipInfo

    def read(self) -> bytes:
        """Its bytes, as in `Readable`; no more is unpacked than a picture may have."""
        try:
            with _opened(self.path).open(self.member) as stream:
                data = stream.read(MAX_BYTES + 1)
        except PARSER_ERRORS as error:  # an encrypted member is a RuntimeError
            raise PictureError(f"Cannot read {self.member.filename} of the archive: {reason(error)}.") from error
        if len(data) > MAX_BYTES:
            raise TooLargeError(f"{self.member.filename} has over {MAX_BYTES >> 20} MiB.")
        return data


@dataclass(frozen=True)
class UnreadableInput:
    """Something that was named, or lies in a folder, and cannot be read."""

    why: str

    def read(self) -> bytes:
        """Say why it cannot be read."""
        raise PictureError(self.why)


@dataclass
class Inputs:
    """All pictures that are meant, in order, and what lies beside them.

    Attributes:
        names: what to call each, as the person knows it.
        pictures: each of them.
        passed_over: what is no picture, with the reason.
    """

    names: list[str] = field(default_factory=list)
    pictures: list[Readable] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)

    def add(self, name: str, picture: Readable) -> None:
        """Take a picture in."""
        self.names.append(printable(name))
        self.pictures.append(picture)


def collect(given: Sequence[str], lines: bytes = b"", hosts: NamedHosts = frozenset()) -> Inputs:
    """Find the pictures that are meant.

    Args:
        given: files, folders, archives, patterns such as `shop/*.jpg`, addresses, or `-`.
        lines: what `-` stands for: one of these on each line, ended as on any system, or by zero bytes.
        hosts: that may be asked for pictures wherever they are.

    Raises:
        UsageError: `-` is there twice.
    """
    if given.count(STDIN) > 1:
        raise UsageError("- was given twice, and stdin can be read once: leave one of them out.")
    found = Inputs()
    for text in given:
        for one in _lines(lines) if text == STDIN else [text]:
            _add(one, found, hosts)
    return found


def printable(name: str) -> str:
    """A name as text that can be stored: bytes that are no characters are written as backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def shown(text: str) -> str:
    """Text for a terminal: characters that would move its cursor or turn its lines around are written as escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _lines(data: bytes) -> Iterator[str]:
    if data.startswith(_UTF_16):  # as some shells of Windows write a list
        data = data.decode("utf-16", "replace").encode()
    parts = data.split(b"\0") if b"\0" in data else data.splitlines()
    for part in parts:
        line = part.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        if line.strip():
            yield _meant(os.fsdecode(line))


def _meant(line: str) -> str:
    """A line of a list as what it names: where there is no such file, quotes, spaces around it and `~` are not its own."""
    bare = line.strip()
    quoted = len(bare) > 2 and bare[0] == bare[-1] and bare[0] in "\"'"
    tried = [line, bare, *([bare[1:-1]] if quoted else [])]
    return next((one for one in (*tried, *map(os.path.expanduser, tried)) if _exists(one)), tried[-1])


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(text)
    except (OSError, ValueError):
        return False


def _add(text: str, found: Inputs, hosts: NamedHosts) -> None:
    address = ADDRESS.match(text)
    if address and not _exists(text):
        _add_address(text, (address[1] or address[2]).lower(), found, hosts)
        return
    path = Path(text)
    try:
        exists, is_folder = os.path.lexists(path), path.is_dir()
    except (OSError, ValueError) as error:
        found.add(text, UnreadableInput(f"Cannot read {printable(text)}: {error}."))
        return
    if is_folder:
        _add_folder(path, found)
    elif exists and path.suffix.lower() == ARCHIVE:
        _add_archive(path, found)
    elif not exists and glob.has_magic(text):
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - a pattern as a person types it, absolute or not
        if not matches:
            found.add(text, UnreadableInput(f"No file matches {printable(text)}."))
        for match in matches:
            _add(match, found, hosts)
    else:
        found.add(text, FileInput(path))


def _add_address(text: str, scheme: str, found: Inputs, hosts: NamedHosts) -> None:
    if scheme in {"http", "https"}:
        from stj_model.fetching import UrlInput  # TLS and all that takes time to load, and most ask about files

        found.add(text, UrlInput(text, hosts))
    elif scheme == "file" and urlsplit(text).hostname in {None, "localhost"}:
        _add(os.fsdecode(unquote_to_bytes(urlsplit(text).path)), found, hosts)
    else:
        found.add(
            text, UnreadableInput(f"{printable(text)[:80]} is an address of {scheme}: only http and https are asked.")
        )


def _add_folder(folder: Path, found: Inputs) -> None:
    listed = find_pictures(folder)
    unreadable = set(listed.unreadable)
    for path in listed.files:
        found.add(str(path), FileInput(path))
    for one in listed.passed_over:
        path = folder / one.name
        # A pipe, a link to nowhere, or somebody else's.
        if path in unreadable or (os.path.lexists(path) and not os.access(path, os.R_OK)):
            found.add(str(path), UnreadableInput(f"Cannot read {path}: {one.why}."))
        elif path.suffix.lower() == ARCHIVE and path.is_file():
            _add_archive(path, found)
        else:
            found.passed_over.append(PassedOver(str(path), one.why))


def _add_archive(path: Path, found: Inputs) -> None:
    try:
        archive = _opened(path)
    except PARSER_ERRORS as error:
        found.add(str(path), UnreadableInput(f"Cannot read the archive {path}: {reason(error)}."))
        return
    for member in archive.infolist():
        inside = PurePosixPath(member.filename)
        name = f"{path}/{member.filename}"
        if member.is_dir():
            continue
        if inside.name.startswith(".") or "__MACOSX" in inside.parts:
            found.passed_over.append(PassedOver(printable(name), "hidden, or made by an archive program"))
        elif inside.suffix.lower() in SUFFIXES or _begins_as_picture(archive, member):
            found.add(name, MemberInput(path, member))
        elif inside.suffix.lower() == ARCHIVE:
            found.passed_over.append(PassedOver(printable(name), "an archive within an archive: unpack it first"))
        else:
            found.passed_over.append(PassedOver(printable(name), "no picture by its ending or its first bytes"))


def _opened(path: Path) -> zipfile.ZipFile:
    """An archive, opened: a few at a time are kept, and closed when the last member that is being read was."""
    about = path.stat()
    return _kept_open(path, about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=OPEN_ARCHIVES)
def _kept_open(path: Path, *_as_it_was: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _begins_as_picture(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(member) as stream:
            return is_picture_signature(stream.read(HEAD))
    except PARSER_ERRORS:
        return True  # whoever reads it next says why it cannot be read
