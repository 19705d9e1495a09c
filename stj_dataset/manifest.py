"""The dataset folder as a contract: `manifest.csv`, `provenance.csv`, `labels.json` and `dataset.json`, for any layout.

Pure: standard library only. The one who exports writes them, the one who trains reads them, and nothing else passes
between the two. The bytes depend on the rows alone: UTF-8, bare line feeds, rows in the order given. The digest of a dataset is
the sha256 of manifest.csv; what only says when and in which crawl a picture was met stands in provenance.csv, which is not
digested: the same pictures in another order of crawls are the same dataset.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from stj_core.class_folders import folded, spellings
from stj_core.errors import DatasetError
from stj_core.files import file_sha256, write_json
from stj_core.partitions import SetAside
from stj_core.problem import Problem
from stj_core.stale import STALE, stale_checksums
from stj_core.vocabulary import SPLITS

MANIFEST, LABELS, SETTINGS, CARD = "manifest.csv", "labels.json", "dataset.json", "README.md"
PROVENANCE, METADATA, PREVIEW = "provenance.csv", "metadata.csv", "preview.html"
CROISSANT, PARQUET, PROVENANCE_PARQUET = "croissant.json", "manifest.parquet", "provenance.parquet"
BESIDE = frozenset(
    {
        *(MANIFEST, PROVENANCE, PARQUET, PROVENANCE_PARQUET, LABELS, SETTINGS, CARD, METADATA, PREVIEW, CROISSANT),
        *(f"{split}/{METADATA}" for split in SPLITS),
    }
)
NONE = "none"
"""The folder of pictures of something that is none of the classes."""
_CLOCK = {"digested": False}


@dataclass(frozen=True)
class ManifestRow:
    """One exported picture: the one list of columns, in their order.

    `file` is relative to the dataset's folder, with `/`; `label` is None, and empty in the file, for a picture of something that
    is none of the classes; `sha256` is of that file, `original_sha256` of the bytes the shop sent; hashes are hex text. `asin`,
    `title`, `page_url` and the like are of the sighting under this label with the smallest page address and position. What is not
    known is empty (None for numbers). `crawl_id` and `seen_at` are of that sighting too, and stand in provenance.csv.

    A column with a default may be missing in a manifest: a dataset that was made before there was such a column still opens.
    """

    file: str
    label: int | None
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
    crawl_id: int | None = field(default=None, metadata=_CLOCK)
    seen_at: str = field(default="", metadata=_CLOCK)


_TYPES = {column.name: str(column.type) for column in fields(ManifestRow)}
COLUMNS = tuple(column.name for column in fields(ManifestRow) if column.metadata.get("digested", True))
_NEEDED = tuple(column.name for column in fields(ManifestRow) if column.default is MISSING)
PROVENANCE_COLUMNS = ("file", *(name for name in _TYPES if name not in COLUMNS))


def column_type(name: str) -> str:
    """What a column holds, as its annotation says: `str`, `int`, or `int | None`."""
    return _TYPES[name]


def write_manifest(rows: Iterable[ManifestRow], path: Path) -> str:
    """Write `manifest.csv` to `path`, and `provenance.csv` beside it, row by row; returns the dataset's digest."""
    with (
        path.open("w", encoding="utf-8", newline="") as digested,
        path.with_name(PROVENANCE).open("w", encoding="utf-8", newline="") as beside,
    ):
        files = [
            (csv.writer(digested, lineterminator="\n"), COLUMNS),
            (csv.writer(beside, lineterminator="\n"), PROVENANCE_COLUMNS),
        ]
        for writer, columns in files:
            writer.writerow(columns)
        for row in rows:
            for writer, columns in files:
                writer.writerow([_written(getattr(row, name)) for name in columns])
    return file_sha256(path)


def read_manifest(dataset: Path) -> list[ManifestRow]:
    """Read the rows of `dataset/manifest.csv` (or of the file itself), joined with `provenance.csv` where it lies beside it.

    Raises:
        DatasetError: there is no manifest, a column without a default is missing, or a value cannot be right.
    """
    path = dataset if dataset.is_file() else dataset / MANIFEST
    columns, lines = _read_csv(path, "stj-dataset export makes one")
    if missing := [name for name in _NEEDED if name not in columns]:
        raise DatasetError(f"The manifest {path} lacks the columns {', '.join(missing)}: export the dataset again.")
    if not set(PROVENANCE_COLUMNS) <= set(columns):
        # Older manifests hold these columns themselves.
        met = _read_provenance(path.with_name(PROVENANCE))
        lines = [(number, {**values, **met.get(values["file"] or "", {})}) for number, values in lines]
    return [_row(values, path, number) for number, values in lines]


def _read_provenance(path: Path) -> dict[str, dict[str | None, str | None]]:
    """The lines of provenance.csv by file; none where there is no such file, as in a run's copy of a manifest."""
    if not path.is_file():
        return {}
    columns, lines = _read_csv(path, "export the dataset again")
    if missing := [name for name in PROVENANCE_COLUMNS if name not in columns]:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}: export the dataset again.")
    return {values["file"] or "": {name: values[name] for name in PROVENANCE_COLUMNS} for _, values in lines}


def _read_csv(path: Path, hint: str) -> tuple[Sequence[str], list[tuple[int, dict[str | None, str | None]]]]:
    """The columns of a CSV file and its lines with their numbers."""
    text = _read(path, hint).decode("utf-8", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        lines: list[tuple[int, dict[str | None, str | None]]] = list(enumerate(reader, start=2))
    except csv.Error as error:
        raise DatasetError(
            f"Line {reader.line_num + 1} of {path} is no CSV ({error}): export the dataset again."
        ) from error
    return reader.fieldnames or (), lines


def iter_manifest(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a manifest that an export has just written, one at a time and as text: a million do not fill memory."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        columns = next(rows)
        for row in rows:
            yield dict(zip(columns, row, strict=True))


def _written(value: object) -> object:
    """A value as `csv` may write it: without carriage returns, which some versions of Python do not quote."""
    if isinstance(value, str) and "\r" in value:
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value


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


def find_dataset(recorded: Path, digest: str, copies: Iterable[Path] = ()) -> Path:
    """The folder of a dataset that may have been moved or renamed since its path was recorded.

    The recorded folder if it has this digest, else a folder with it beside the recorded one, in the working directory, or among
    copies of datasets that lie at addresses; the recorded one again where there is none.
    """
    if not digest:
        return recorded
    beside = (place for root in (recorded.parent, Path()) for place in _folders(root))
    return next((place for place in (recorded, *beside, *copies) if _digest(place) == digest), recorded)


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(place for place in root.iterdir() if (place / SETTINGS).is_file())
    except OSError:
        return []


def _digest(dataset: Path) -> str:
    try:
        return str(read_settings(dataset).get("digest", ""))
    except DatasetError:
        return ""


def file_digests(paths: Sequence[Path]) -> Iterator[str | SetAside]:
    """The sha256 of each file, in their order."""
    return map(file_sha256, paths)


def find_problems(
    dataset: Path,
    *,
    hashes: bool = True,
    digests: Callable[[Sequence[Path]], Iterator[str | SetAside]] = file_digests,
) -> list[Problem]:
    """Compare the folder with its manifest; the list is empty when all is well.

    Kinds: `digest` (dataset.json is of another manifest), `missing`, `changed` (another sha256), `unlisted` (a file the
    manifest does not name), `label` (a label that labels.json does not name, or names as another class, or a file in the folder
    of another one), `repeated` (a file named twice), `blank` (a row without its group or sha256), `leak` (a group or a picture
    in two splits), `stale` (it holds forgotten pictures), `provenance` (provenance.csv is not of the manifest's files),
    `unchecked` (workers failed on it).

    Args:
        dataset: the folder.
        hashes: also read every picture and compare its sha256.
        digests: what gives the sha256 of files.

    Raises:
        DatasetError: manifest.csv, labels.json or dataset.json cannot be read at all.
    """
    rows, labels, settings = read_manifest(dataset), read_labels(dataset), read_settings(dataset)
    problems = [*_digest_problems(dataset, settings), *_row_problems(rows, labels), *_leaks(rows)]
    problems += _name_problems(labels, settings)
    problems += _provenance_problems(dataset, rows)
    there = [dataset / row.file for row in rows if (dataset / row.file).is_file()]
    found = dict(zip(there, digests(there) if hashes else itertools.repeat(""), strict=False))
    for row in rows:
        sha256 = found.get(dataset / row.file)
        if sha256 is None:
            problems.append(Problem("missing", row.file, "the manifest names it, the folder has no such file"))
        elif isinstance(sha256, SetAside):
            why = f"workers failed on it three times ({sha256.reason}): the same command tries again"
            problems.append(Problem("unchecked", row.file, why))
        elif hashes and sha256 != row.sha256:
            problems.append(Problem("changed", row.file, f"its bytes no longer have the sha256 {row.sha256[:12]}…"))
    if (dataset / STALE).exists():
        number = len(stale_checksums(dataset)) or "some"
        problems.append(
            Problem("stale", STALE, f"{number} of its pictures were forgotten since it was made: export again")
        )
    known = {row.file for row in rows} | BESIDE | {STALE}
    problems.extend(
        Problem("unlisted", name, "it lies in the folder, the manifest does not name it")
        for name in _files(dataset)
        if name not in known
    )
    return problems


def _name_problems(labels: Mapping[int, str], settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Names in labels.json that are not those of the classes that were exported: swapped, doubled, or of others."""
    slugs = settings.get("slugs")
    if not isinstance(slugs, dict):
        return  # of an older export
    if sorted(slugs) != sorted(map(str, labels)):
        told = f"it names the labels {sorted(labels)}, {SETTINGS} those of {', '.join(sorted(slugs))}"
        yield Problem("label", LABELS, told)
    for label, name in labels.items():
        means = [one for one, slug in slugs.items() if folded(name) in spellings(folded(str(slug)))]
        twice = [one for one, other in labels.items() if one != label and folded(other) == folded(name)]
        if (means and str(label) not in means) or twice:
            yield Problem("label", LABELS, f"it calls class {label} {name}, which is class {[*means, *twice][0]}")


# A stray file, or the moment when a picture was met, changes nothing that is learned.
_HARMLESS = frozenset({"unlisted", "provenance"})


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
    problems = [problem for problem in find_problems(dataset, hashes=hashes) if problem.kind not in _HARMLESS]
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


def _provenance_problems(dataset: Path, rows: Sequence[ManifestRow]) -> Iterator[Problem]:
    columns, _ = _read_csv(dataset / MANIFEST, "stj-dataset export makes one")
    if set(PROVENANCE_COLUMNS) <= set(columns):
        return
    if not (dataset / PROVENANCE).is_file():
        yield Problem("provenance", PROVENANCE, "it is part of every dataset, the folder has no such file")
    elif odd := sorted(_read_provenance(dataset / PROVENANCE).keys() ^ {row.file for row in rows}):
        others = f" and {len(odd) - 1} others" if len(odd) > 1 else ""
        yield Problem("provenance", PROVENANCE, f"it and the manifest do not name the same files: {odd[0]}{others}")


# Without these a leak between splits cannot be seen.
_NEVER_BLANK = ("group", "sha256")


def _row_problems(rows: Sequence[ManifestRow], labels: Mapping[int, str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for row in rows:
        if row.label is not None and row.label not in labels:
            yield Problem("label", row.file, f"{LABELS} does not name its label {row.label}")
        if row.file in seen:
            yield Problem("repeated", row.file, "the manifest names it twice")
        seen.add(row.file)
        split, label, *_ = (*row.file.split("/"), "", "")
        if (
            row.label in labels
            and split in SPLITS
            and label.isdecimal()
            and (split, label) != (row.split, str(row.label))
        ):
            yield Problem("label", row.file, f"the manifest says that it is {row.split} of class {row.label}")
        for column in _NEVER_BLANK:
            if not getattr(row, column).strip():
                yield Problem("blank", row.file, f"its {column} is empty, so nothing says that it is in no other split")


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
        # A cell that a line lacks is a mistake, a column that the whole file lacks is not.
        told = (name for name in _TYPES if name in values and (name in COLUMNS or values[name]))
        row = ManifestRow(**{name: _value(name, values[name]) for name in told})
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
    if _TYPES[name] == "str":
        return text
    return None if not text and "None" in _TYPES[name] else int(text)


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"Cannot read {path} ({error.strerror}): {hint}.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path, "it is part of every dataset, export it again"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not valid JSON ({error}): export the dataset again.") from error
    if not isinstance(document, dict):
        raise DatasetError(
            f"{path} should hold a JSON object, got a {type(document).__name__}: export the dataset again."
        )
    return document
