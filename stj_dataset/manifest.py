"""The dataset folder as a contract: `manifest.csv`, `labels.json` and `dataset.json`, for any layout.

Pure: standard library only. The one who exports writes them, the one who trains reads them, and nothing else passes
between the two. The bytes depend on the rows alone: UTF-8, bare line feeds, rows in the order given.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from stj_core.errors import DatasetError
from stj_core.files import file_sha256, write_json

MANIFEST, LABELS, SETTINGS, CARD = "manifest.csv", "labels.json", "dataset.json", "README.md"
METADATA, PREVIEW = "metadata.csv", "preview.html"
SPLITS = ("train", "val", "test")
BESIDE = frozenset({MANIFEST, LABELS, SETTINGS, CARD, METADATA, PREVIEW, *(f"{split}/{METADATA}" for split in SPLITS)})
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ManifestRow:
    """One exported picture.

    `file` is relative to the dataset's folder, with `/`; `sha256` is of that file, `original_sha256` of the bytes the
    shop sent; hashes are hex text. `page_url`, `page_number`, `crawl_id` and `seen_at` are of the first sighting under
    this label; what is not known is empty (None for numbers).
    """

    file: str
    label: int
    split: str
    group: str
    sha256: str
    original_sha256: str
    phash: str
    width: int
    height: int
    asin: str = ""
    title: str = ""
    source: str = ""
    image_url: str = ""
    product_url: str = ""
    page_url: str = ""
    page_number: int | None = None
    crawl_id: int | None = None
    seen_at: str = ""


COLUMNS = tuple(field.name for field in fields(ManifestRow))
_WHOLE = frozenset({"label", "width", "height"})
_WHOLE_OR_NONE = frozenset({"page_number", "crawl_id"})


def manifest_bytes(rows: Iterable[ManifestRow]) -> bytes:
    """The manifest as it is written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(manifest_line(astuple(row)) for row in rows)
    return text.getvalue().encode("utf-8")


def manifest_line(values: Iterable[object]) -> list[object]:
    """A row's values as `csv` may write them: without carriage returns, which some versions of Python do not quote."""
    return [value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value for value in values]


def write_manifest(rows: Iterable[ManifestRow], path: Path) -> str:
    """Write `manifest.csv` to `path`; returns its sha256, the dataset's digest."""
    data = manifest_bytes(rows)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def read_manifest(dataset: Path) -> list[ManifestRow]:
    """Read the rows of `dataset/manifest.csv` (or of the file itself).

    Raises:
        DatasetError: there is no manifest, a column is missing, or a value cannot be right.
    """
    path = dataset if dataset.is_file() else dataset / MANIFEST
    text = _read(path, "stj-dataset export makes one").decode("utf-8", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"The manifest {path} lacks the columns {', '.join(missing)}: export the dataset again.")
    return [_row(values, path, number) for number, values in enumerate(reader, start=2)]


def iter_manifest(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a manifest that an export has just written, one at a time and as text: a million do not fill memory."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def read_labels(dataset: Path) -> dict[int, str]:
    """Read `labels.json`: the class's name for each label, by label.

    Raises:
        DatasetError: it is missing or says something else.
    """
    path = dataset / LABELS
    document = _read_json(path)
    try:
        labels = {int(label): str(name) for label, name in document.items()}
    except ValueError as error:
        raise DatasetError(f'{path} should look like {{"0": "Saree", …}}, got the label {error.args[0]!r}.') from error
    if not labels:
        raise DatasetError(f"{path} names no class: export the dataset again.")
    return dict(sorted(labels.items()))


def write_labels(labels: Mapping[int, str], path: Path) -> None:
    """Write `labels.json` to `path`."""
    write_json({str(label): name for label, name in sorted(labels.items())}, path)


def read_settings(dataset: Path) -> dict[str, Any]:
    """Read `dataset.json`: settings, counts and the digest.

    Raises:
        DatasetError: it is missing or is no JSON object.
    """
    return _read_json(dataset / SETTINGS)


@dataclass(frozen=True)
class Problem:
    """Something in a dataset's folder that is not as its manifest says."""

    kind: str
    path: str
    detail: str


def find_problems(dataset: Path, *, hashes: bool = True) -> list[Problem]:
    """Compare the folder with its manifest; the list is empty when all is well.

    Kinds: `digest` (dataset.json is of another manifest), `missing`, `changed` (another sha256), `unlisted` (a file the
    manifest does not name), `label` (a label that labels.json does not name), `repeated` (a file named twice), `leak`
    (a group or a picture in two splits).

    Args:
        dataset: the folder.
        hashes: also read every picture and compare its sha256.

    Raises:
        DatasetError: manifest.csv, labels.json or dataset.json cannot be read at all.
    """
    rows, labels, settings = read_manifest(dataset), read_labels(dataset), read_settings(dataset)
    problems = [*_digest_problems(dataset, settings), *_row_problems(rows, labels), *_leaks(rows)]
    for row in rows:
        path = dataset / row.file
        if not path.is_file():
            problems.append(Problem("missing", row.file, "the manifest names it, the folder has no such file"))
        elif hashes and file_sha256(path) != row.sha256:
            problems.append(Problem("changed", row.file, f"its bytes no longer have the sha256 {row.sha256[:12]}…"))
    known = {row.file for row in rows} | BESIDE
    problems.extend(
        Problem("unlisted", name, "it lies in the folder, the manifest does not name it")
        for name in _files(dataset)
        if name not in known
    )
    return problems


def check_files(dataset: Path, *, hashes: bool = False) -> list[ManifestRow]:
    """Read the manifest and make sure that the folder is what it says; returns the rows.

    Raises:
        DatasetError: the folder is no dataset, is empty, or does not match its manifest: the sentence names the first
            file and says how many there are.
    """
    if not dataset.is_dir():
        raise DatasetError(f"There is no dataset folder {dataset}: stj-dataset export makes one.")
    rows = read_manifest(dataset)
    if not rows:
        raise DatasetError(f"The dataset {dataset} holds no picture: crawl first, then stj-dataset export.")
    problems = [problem for problem in find_problems(dataset, hashes=hashes) if problem.kind != "unlisted"]
    if problems:
        first = problems[0]
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DatasetError(
            f"The dataset {dataset} does not match its manifest: {first.path}: {first.detail}{others}; "
            "stj-dataset verify lists everything, stj-dataset export writes it anew."
        )
    return rows


def _digest_problems(dataset: Path, settings: Mapping[str, Any]) -> Iterator[Problem]:
    found = file_sha256(dataset / MANIFEST)
    if settings.get("digest") != found:
        yield Problem(
            "digest", MANIFEST, f"its sha256 is {found[:12]}…, {SETTINGS} says {str(settings.get('digest'))[:12]}…"
        )


def _row_problems(rows: Sequence[ManifestRow], labels: Mapping[int, str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for row in rows:
        if row.label not in labels:
            yield Problem("label", row.file, f"{LABELS} does not name its label {row.label}")
        if row.file in seen:
            yield Problem("repeated", row.file, "the manifest names it twice")
        seen.add(row.file)


def _leaks(rows: Sequence[ManifestRow]) -> Iterator[Problem]:
    for column in ("group", "sha256", "original_sha256"):
        home: dict[str, str] = {}
        for row in rows:
            value = str(getattr(row, column))
            if value and home.setdefault(value, row.split) != row.split:
                yield Problem("leak", row.file, f"its {column} {value[:12]} is in {home[value]} and in {row.split}")


def _files(dataset: Path) -> Iterator[str]:
    """Every file below the folder, relative, with `/`, in order."""
    for folder, names, files in os.walk(dataset):
        names.sort()
        yield from (Path(folder, name).relative_to(dataset).as_posix() for name in sorted(files))


def _row(values: Mapping[str | None, str | None], path: Path, number: int) -> ManifestRow:
    try:
        row = ManifestRow(**{name: _value(name, values[name]) for name in COLUMNS})
    except (TypeError, ValueError) as error:
        raise DatasetError(f"Line {number} of {path} cannot be read ({error}): export the dataset again.") from error
    if row.split not in SPLITS:
        raise DatasetError(f"Line {number} of {path} has the split {row.split!r}: it must be train, val or test.")
    inside = PurePosixPath(row.file)
    if not row.file or inside.is_absolute() or ".." in inside.parts:
        raise DatasetError(f"Line {number} of {path} names the file {row.file!r}: it must lie inside the dataset.")
    return row


def _value(name: str, text: str | None) -> Any:  # noqa: ANN401 - the type follows the column
    if text is None:
        raise ValueError(f"{name} is missing")
    if name in _WHOLE:
        return int(text)
    if name in _WHOLE_OR_NONE:
        return int(text) if text else None
    return text


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"Cannot read {path} ({error.strerror}): {hint}.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path, "it is part of every dataset, export it again"))
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON ({error}): export the dataset again.") from error
    if not isinstance(document, dict):
        raise DatasetError(
            f"{path} should hold a JSON object, got a {type(document).__name__}: export the dataset again."
        )
    return document
