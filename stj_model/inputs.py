"""What `predict` is given: files, folders, patterns, ZIP archives and lists of names; every file is answered or named.

Folders are searched for pictures, by their endings or their first bytes; what is no picture there is listed with the reason. A
file that is named is always asked about, whatever it is called.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from stj_core.class_folders import PassedOver, find_pictures
from stj_core.errors import PictureError, TooLargeError, UsageError
from stj_core.picture_types import SUFFIXES, is_picture_signature
from stj_images.decode import MAX_BYTES
from stj_model.damage import PARSER_ERRORS, reason
from stj_model.preprocess import read_file

STDIN, ARCHIVE = "-", ".zip"
HEAD = 32
"""Bytes that tell a picture from other files."""


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

    archive: zipfile.ZipFile
    member: zipfile.ZipInfo

    def read(self) -> bytes:
        """Its bytes, as in `Readable`; no more is unpacked than a picture may have."""
        try:
            with self.archive.open(self.member) as stream:
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


def collect(given: Sequence[str], lines: bytes = b"") -> Inputs:
    """Find the pictures that are meant.

    Args:
        given: files, folders, archives, patterns such as `shop/*.jpg`, or `-`.
        lines: what `-` stands for: a name on each line, ended as on any system, or by zero bytes.

    Raises:
        UsageError: an address is named.
    """
    found = Inputs()
    for text in given:
        if text == STDIN:
            for line in _lines(lines):
                _add(line, found)
        else:
            _add(text, found)
    return found


def printable(name: str) -> str:
    """A name as text that can be stored: bytes that are no characters are written as backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def shown(text: str) -> str:
    """Text for a terminal: characters that would move its cursor or turn its lines around are written as escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _lines(data: bytes) -> Iterator[str]:
    parts = data.split(b"\0") if b"\0" in data else data.splitlines()
    for part in parts:
        line = part.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
        if line.strip():
            yield os.fsdecode(line)


def _add(text: str, found: Inputs) -> None:
    if "://" in text:
        raise UsageError(f"{shown(text)} is an address, not a file: fetch it first.")
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
            _add(match, found)
    else:
        found.add(text, FileInput(path))


def _add_folder(folder: Path, found: Inputs) -> None:
    listed = find_pictures(folder)
    for path in listed.files:
        found.add(str(path), FileInput(path))
    for one in listed.passed_over:
        path = folder / one.name
        if os.path.lexists(path) and not os.access(path, os.R_OK):  # a link to nowhere, or somebody else's
            found.add(str(path), UnreadableInput(f"Cannot read {path}: {one.why}."))
        elif path.suffix.lower() == ARCHIVE and path.is_file():
            _add_archive(path, found)
        else:
            found.passed_over.append(PassedOver(str(path), one.why))


def _add_archive(path: Path, found: Inputs) -> None:
    try:
        archive = zipfile.ZipFile(path)  # stays open: its members are read later
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
            found.add(name, MemberInput(archive, member))
        else:
            found.passed_over.append(PassedOver(printable(name), "no picture by its ending or its first bytes"))


def _begins_as_picture(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(member) as stream:
            return is_picture_signature(stream.read(HEAD))
    except PARSER_ERRORS:
        return True  # whoever reads it next says why it cannot be read
