"""The one reader of a folder with a folder of pictures for each class.

A class's folder is called by its number, its slug or its name (`0`, `0_saree`, `saree`, `Sarees`, `T Shirt`, `t-shirt`), however
the file system spells accents. Nothing is left out in silence: what is no class, no picture, or cannot be read is listed with the
reason, and a number that says another class than the name beside it is refused.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stj_core.errors import UsageError
from stj_core.picture_types import ARCHIVE_SUFFIXES, SUFFIXES, UNREAD_SUFFIXES, is_picture_signature

SOURCES = "SOURCES.csv"
"""A file of this name in the folder says where each picture came from."""
NONE_NAMES = ("none", "other")
"""Folders of these names hold pictures of none of the classes."""
_NUMBERED = re.compile(r"(\d+)(?:[\s_.-]+(.*))?", re.DOTALL)
_SHORTEST_PLURAL = 3
_NOT = frozenset({"not", "no", "non", "without", "except", "anti"})
# Joiners and marks that change how letters look, or nothing at all; file systems and keyboards add and lose them.
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
# Folders that archive programs and desktops make by themselves.
_CLUTTER = frozenset({"__macosx", "$recycle.bin", "system volume information", "@eadir"})


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something in a folder that is not read, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class PictureFiles:
    """The pictures below a folder, sorted by name, and everything else that is there.

    Attributes:
        files: that may be read.
        passed_over: what is not read.
        unreadable: those of what is passed over that are called as pictures are: pipes, devices and links that lead nowhere.
            They must never be opened.
    """

    files: tuple[Path, ...]
    passed_over: tuple[PassedOver, ...] = ()
    unreadable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ClassFolders:
    """The class folders in a folder.

    Attributes:
        root: the folder.
        classes: label and folder of each, by label and then by name; one class may have several.
        none: folders of pictures of none of the classes.
        passed_over: what else lies in the folder.
    """

    root: Path
    classes: tuple[tuple[int, Path], ...]
    none: tuple[Path, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()


@dataclass
class _Walk:
    """A walk through a folder that follows links to folders once."""

    root: Path
    start: Path
    files: list[Path] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    visited: set[tuple[int, int]] = field(default_factory=set)

    def leave_out(self, path: Path, why: str) -> None:
        self.passed_over.append(PassedOver(name_below(self.root, path), why))

    def enter(self, folder: Path) -> None:
        try:
            place = folder.stat()
            inside = sorted(folder.iterdir())
        except OSError as error:
            self.leave_out(folder, f"cannot be read: {error.strerror or error}")
            return
        if (place.st_dev, place.st_ino) in self.visited:
            self.leave_out(folder, "a link to a folder that was read already")
            return
        if folder != self.start and self.start.resolve().is_relative_to(folder.resolve()):
            self.leave_out(folder, "a link to a folder that holds this one")
            return
        self.visited.add((place.st_dev, place.st_ino))
        for path in inside:
            self.look_at(path)

    def leave_unread(self, path: Path, why: str) -> None:
        self.leave_out(path, why)
        if path.suffix.lower() in SUFFIXES:
            self.unreadable.append(path)

    def look_at(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self.leave_unread(
                path, "a link that leads nowhere" if path.is_symlink() else f"cannot be read: {error.strerror}"
            )
            return
        if path.name.startswith(".") or path.name.casefold() in _CLUTTER:
            self.leave_out(path, "hidden, or made by an archive program")
        elif stat.S_ISDIR(mode):
            self.enter(path)
        elif not stat.S_ISREG(mode):
            self.leave_unread(path, "no regular file")
        elif path.suffix.lower() in SUFFIXES or _begins_as_picture(path):
            self.files.append(path)
        else:
            self.leave_out(path, _why_unread(path))


def _why_unread(path: Path) -> str:
    """Why a file that is no picture of a known type is not read."""
    ending = path.suffix.lower()
    if ending in UNREAD_SUFFIXES:
        return "a kind of picture that is not read: make JPEG or PNG of it"
    if ending in ARCHIVE_SUFFIXES:
        return "an archive: unpack it first"
    return "no picture by its ending or its first bytes"


def find_class_folders(
    folder: Path,
    names: Mapping[int, Sequence[str]],
    *,
    what: str = "to read",
    none_names: Sequence[str] = NONE_NAMES,
    fits: Mapping[int, Collection[str]] | None = None,
) -> ClassFolders:
    """Find the class folders in a folder.

    Args:
        folder: the folder.
        names: for each label the names that its folder may have: slug and display name.
        none_names: what a folder of pictures of none of the classes may be called.
        what: ends the sentence that there is no such folder.
        fits: for each label other words that mean it. They name no folder, but `0_pants` is no folder of sarees.

    Raises:
        UsageError: there is no such folder, a folder in it is no class, a folder's number and name disagree, or there is no
            class folder at all.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder} {what}: give one with a folder for each class ({_known(names)})."
        )
    nothing = {folded(one) for one in none_names}
    classes: list[tuple[int, Path]] = []
    none: list[Path] = []
    strangers: list[str] = []
    passed_over: list[PassedOver] = []
    for path in sorted(folder.iterdir()):
        name = name_below(folder, path)
        if path.name.startswith(".") or path.name.casefold() in _CLUTTER:
            passed_over.append(PassedOver(name, "hidden, or made by an archive program"))
        elif not path.is_dir():
            if path.name != SOURCES:
                passed_over.append(PassedOver(name, "not in the folder of a class"))
        elif (label := class_of(path.name, names, fits)) is not None:
            classes.append((label, path))
        elif folded(path.name) in nothing:
            none.append(path)
        else:
            strangers.append(name)
    if strangers or not classes:
        found = f"the folders {', '.join(strangers)} that name none" if strangers else "none"
        raise UsageError(f"{folder} should hold a folder for each class ({_known(names)}), and holds {found}.")
    classes.sort(key=lambda pair: (pair[0], pair[1].name))
    return ClassFolders(folder, tuple(classes), tuple(none), tuple(passed_over))


def find_pictures(folder: Path, root: Path | None = None) -> PictureFiles:
    """Every picture below a folder, and everything else that lies there.

    A file is a picture by its ending, or by its first bytes where the ending is unknown. Links are followed, each folder once.

    Args:
        folder: where to look.
        root: what the names of the things passed over begin below; the folder itself by default.
    """
    walk = _Walk(root or folder, folder)
    walk.enter(folder)
    return PictureFiles(tuple(walk.files), tuple(walk.passed_over), tuple(walk.unreadable))


def class_of(
    name: str, names: Mapping[int, Sequence[str]], fits: Mapping[int, Collection[str]] | None = None
) -> int | None:
    """The label that a folder's name means, or None.

    Args:
        name: of the folder.
        names: for each label its slug and its display name.
        fits: for each label other words that mean it, which only contradict a number.

    Raises:
        UsageError: its number is one class's and its words are another's, or say that it is not that class.
    """
    by_words = _labelled(name, names)
    if by_words is not None:
        return by_words
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        return None
    number, words = int(numbered[1]), numbered[2] or ""
    said = _labelled(words, names)
    if said is None and number in names:
        said = _other_named_within(words, number, names, fits or {})
    if said is not None and said != number:
        other = f"{number} is {names[number][0]}" if number in names else f"there is no class {number}"
        raise UsageError(
            f"The folder {printable_name(name)} says two things: {other}, but {printable_name(words)} is class {said} "
            f"({names[said][0]}). Rename it to {said}_{names[said][0]}, or to the class that it holds."
        )
    if number in names and (folded(words) in NONE_NAMES or folded(words).split("-")[0] in _NOT):
        means = "means none of the classes" if folded(words) in NONE_NAMES else "says what it is not"
        raise UsageError(
            f"The folder {printable_name(name)} says two things: {number} is {names[number][0]}, but {printable_name(words)} "
            f"{means}. Rename it to {NONE_NAMES[0]}, or to {number}_{names[number][0]}."
        )
    return number if number in names else None


def name_below(root: Path, path: Path) -> str:
    """A path below a folder as text that can be stored and shown: `/`, composed accents, no byte that is no character."""
    return printable_name(path.relative_to(root).as_posix())


def _labelled(words: str, names: Mapping[int, Sequence[str]]) -> int | None:
    plain = folded(words)
    return next((label for label, known in names.items() if plain and plain in _spelled(known)), None)


def _other_named_within(
    words: str, number: int, names: Mapping[int, Sequence[str]], fits: Mapping[int, Collection[str]]
) -> int | None:
    """The first class that is named among other words, such as jeans in blue_jeans_old; None where `number` is one of them."""
    inside = f"-{folded(words)}-"
    for known in (names, {label: tuple(fits.get(label, ())) for label in names}):
        found = [label for label, some in known.items() if any(f"-{one}-" in inside for one in _spelled(some))]
        if found:
            return None if number in found else found[0]
    return None


def _spelled(known: Sequence[str]) -> set[str]:
    return {spelled for one in known if one for spelled in spellings(folded(one))}


def spellings(name: str) -> set[str]:
    """A folded name in the plural and in the singular too."""
    singular = {name[:-1]} if len(name) > _SHORTEST_PLURAL and name.endswith("s") and not name.endswith("ss") else set()
    return {name, f"{name}s", *singular}


def folded(words: str) -> str:
    """Names of classes as they are compared: composed, without case and joiners, with one hyphen for whatever parts them."""
    plain = unicodedata.normalize("NFC", words).casefold().translate(_UNSEEN)
    return re.sub(r"[\s_.-]+", "-", plain).strip("-")


def printable_name(name: str) -> str:
    """A file's name as text that can be stored and shown: composed accents, and an escape for a byte that is none."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def _begins_as_picture(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return is_picture_signature(stream.read(32))
    except OSError:
        return True  # whoever reads it next says why it cannot be read


def _known(names: Mapping[int, Sequence[str]]) -> str:
    return ", ".join(f"{label} or {known[0]}" for label, known in sorted(names.items()))


def summed_up(passed_over: Sequence[PassedOver], most: int = 5) -> Iterator[str]:
    """Sentences for a person: how much was passed over for which reason, with the first names."""
    by_reason: dict[str, list[str]] = {}
    for one in passed_over:
        by_reason.setdefault(one.why, []).append(one.name)
    for why, listed in by_reason.items():
        more = f" and {len(listed) - most} more" if len(listed) > most else ""
        things = "thing was" if len(listed) == 1 else "things were"
        yield f"{len(listed)} {things} passed over ({why}): {', '.join(listed[:most])}{more}."
