"""Whether two runs differ by more than chance: McNemar's exact test on the pictures that both have judged."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stj_core.console import SILENT, Talk
from stj_core.errors import DatasetError, ModelError
from stj_core.intervals import wilson
from stj_model.damage import reading
from stj_model.data import LabelledPicture, open_labelled_folder
from stj_model.evaluation import judge_pictures
from stj_model.predict import Predictor
from stj_model.run_dir import LEAVE_SOURCES_OUT, OUT_OF_FOLD, PREDICTIONS, Run

FILES = {"test": PREDICTIONS, "out_of_fold": OUT_OF_FOLD, "leave_sources_out": LEAVE_SOURCES_OUT}
"""The splits whose pictures were judged one by one by a head that had not learned from them, and where that is written."""
IN_WORDS = {
    "test": "test pictures",
    "out_of_fold": "pictures judged out of fold",
    "leave_sources_out": "pictures judged without their shop",
}
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Discordant:
    """A picture that one run names rightly and the other does not, with its class and both guesses."""

    sha256: str
    file: str
    label: int
    guess_a: int
    guess_b: int


@dataclass(frozen=True)
class RunComparison:
    """Two runs on the same pictures.

    Attributes:
        run_a: the first run's name.
        run_b: the second's.
        split: on what: `test`, `out_of_fold` or a folder.
        n: pictures that both have judged and neither has learned from.
        correct_a: how many of them the first names rightly.
        correct_b: how many the second.
        b: right by the first only.
        c: right by the second only.
        p_value: two-sided: how often two equally good runs would differ at least so much (McNemar's exact test).
        left_out: pictures that one of the runs has learned from, or relatives of such.
        relabelled: pictures left out because their class is another in each run's dataset.
        discordant: the b + c pictures about which they differ.
    """

    run_a: str
    run_b: str
    split: str
    n: int
    correct_a: int
    correct_b: int
    b: int
    c: int
    p_value: float
    left_out: int
    relabelled: int
    discordant: tuple[Discordant, ...]

    @property
    def accuracy_a(self) -> float:
        """The first run's share of right answers."""
        return self.correct_a / self.n

    @property
    def accuracy_b(self) -> float:
        """The second run's share of right answers."""
        return self.correct_b / self.n

    @property
    def interval_a(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the first's."""
        return wilson(self.correct_a, self.n)

    @property
    def interval_b(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the second's."""
        return wilson(self.correct_b, self.n)

    def as_json(self) -> dict[str, Any]:
        """The document of `stj-model compare`."""
        shares = {
            f"{what}_{which}": value
            for which, share, interval in (
                ("a", self.accuracy_a, self.interval_a),
                ("b", self.accuracy_b, self.interval_b),
            )
            for what, value in (("accuracy", round(share, 4)), ("interval", [round(end, 4) for end in interval]))
        }
        return asdict(self) | shares

    def sentence(self) -> str:
        """What came out, for a person."""
        what = IN_WORDS.get(self.split, f"pictures of {Path(self.split).name}")
        counted = (
            f"Of {self.n:,} {what} {self.run_a} names {self.correct_a:,} rightly ({self.accuracy_a:.3f}), "
            f"{self.run_b} {self.correct_b:,} ({self.accuracy_b:.3f})"
        )
        if not self.discordant:
            return f"{counted}: they are right about the very same pictures."
        differ = (
            f"{counted}; {self.b:,} are right only by the first and {self.c:,} only by the second "
            f"(McNemar's exact test, p = {_p(self.p_value)})"
        )
        if self.p_value >= SIGNIFICANT:
            return f"{differ}: that may well be chance."
        return f"{differ}: {self.run_a if self.b > self.c else self.run_b} is better by more than chance."


@dataclass(frozen=True)
class _Guessed:
    """What a run said of a picture, and what it took for its true class."""

    picture: LabelledPicture
    guess: int

    @property
    def right(self) -> bool:
        return self.guess == self.picture.label


_Table = Mapping[str, _Guessed]
"""Guesses by sha256."""


def compare(
    run_a: Run, run_b: Run, split: str = "test", *, on: Path | None = None, talk: Talk = SILENT
) -> RunComparison:
    """Compare two runs on the pictures that both have judged.

    Args:
        run_a: a finished run.
        run_b: another.
        split: `test` or `out_of_fold`, as both have written it down.
        on: a folder of `0_…/ 1_…/ 2_…/` on which to judge both now, instead.
        talk: where progress is told.

    Raises:
        ModelError: they cannot be compared; the sentence says why.
        DatasetError: the folder cannot be judged on.
    """
    if run_a.labels() != run_b.labels():
        raise ModelError(
            f"{run_a.name} knows the classes {_classes(run_a)}, {run_b.name} knows {_classes(run_b)}: "
            "only runs with the same classes can be compared."
        )
    if on is None:
        tables = _read(run_a, split), _read(run_b, split)
        seen = _seen((run_a, run_b), tables) if split == "test" else set()
    else:
        pictures = list(open_labelled_folder(on, run_a.labels()).pictures)
        seen = _learned((run_a, run_b), pictures)
        fresh = [picture for picture in pictures if picture.sha256 not in seen]
        tables = _judge(run_a, fresh, talk), _judge(run_b, fresh, talk)
    return _compared(run_a, run_b, str(on) if on else split, tables, seen)


def verdict(run_a: Run, run_b: Run, split: str) -> str:
    """Whether two runs differ by more than chance on a split, in a sentence.

    Raises:
        ModelError: they cannot be compared; the sentence says why.
    """
    return compare(run_a, run_b, split).sentence()


def mcnemar(b: int, c: int) -> float:
    """McNemar's exact test, two-sided: of b + c pictures about which two runs differ, b are right by the first only.

    Were they equally good, each such picture would be a coin's toss (Q. McNemar, 1947; the binomial, not its χ² stand-in).
    """
    from scipy.stats import binomtest

    return float(binomtest(b, b + c).pvalue) if b + c else 1.0


def _compared(run_a: Run, run_b: Run, split: str, tables: tuple[_Table, _Table], seen: set[str]) -> RunComparison:
    one, two = tables
    both = sorted((one.keys() & two.keys()) - seen)
    alike = [name for name in both if one[name].picture.label == two[name].picture.label]
    if not alike:
        why = f" {len(seen)} were learned from by one of them;" if seen else ""
        raise ModelError(
            f"There is no picture of {split} that {run_a.name} and {run_b.name} have both judged without learning from it:"
            f"{why} compare them --on a folder that neither knows."
        )
    differ = [name for name in alike if one[name].right != two[name].right]
    b = sum(one[name].right for name in differ)
    return RunComparison(
        run_a=run_a.name,
        run_b=run_b.name,
        split=split,
        n=len(alike),
        correct_a=sum(one[name].right for name in alike),
        correct_b=sum(two[name].right for name in alike),
        b=b,
        c=len(differ) - b,
        p_value=mcnemar(b, len(differ) - b),
        left_out=len(seen),
        relabelled=len(both) - len(alike),
        discordant=tuple(
            Discordant(name, one[name].picture.name, one[name].picture.label, one[name].guess, two[name].guess)
            for name in differ
        ),
    )


def _read(run: Run, split: str) -> _Table:
    """A run's guesses as it wrote them down, with what its manifest knows of the pictures."""
    if split not in FILES:
        raise ModelError(
            f"Runs are compared on {', '.join(FILES)}, not on {split!r}: only those pictures were judged one by one "
            "without being learned from."
        )
    path = run.folder / FILES[split]
    if not path.is_file():
        raise ModelError(f"{run.name} has no {path.name}: its recipe makes none; compare on test, or --on a folder.")
    rows = {row.sha256: row for row in run.manifest()}
    labels = list(run.labels())
    found = {}
    with reading(path), path.open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            row = rows.get(line["sha256"])
            picture = LabelledPicture(
                path=run.folder,
                name=row.file if row else line["sha256"],
                sha256=line["sha256"],
                label=int(line["label"]),
                group=row.group if row else "",
                original_sha256=row.original_sha256 if row else "",
            )
            found[picture.sha256] = _Guessed(picture, max(labels, key=lambda label: float(line[f"p{label}"])))
    return found


def _judge(run: Run, pictures: list[LabelledPicture], talk: Talk) -> _Table:
    """A run's guesses about pictures, made now; what cannot be read is left out by both."""
    if not pictures:
        return {}
    judged, unreadable = judge_pictures(Predictor(run, fast=False), pictures, talk)
    for answer in unreadable:
        talk.say(f"Left out: {answer.error}")
    return {
        one.picture.sha256: _Guessed(one.picture, one.answer.label) for one in judged if one.answer.label is not None
    }


def _seen(runs: tuple[Run, Run], tables: tuple[_Table, _Table]) -> set[str]:
    """Of what either has judged, what either has learned from."""
    return _learned(runs, [guessed.picture for table in tables for guessed in table.values()])


def _learned(runs: tuple[Run, Run], pictures: list[LabelledPicture]) -> set[str]:
    return {picture.sha256 for run in runs for picture in _learned_by(run, pictures)}


def _learned_by(run: Run, pictures: list[LabelledPicture]) -> list[LabelledPicture]:
    try:
        return run.learned_from(pictures)
    except DatasetError as error:
        raise ModelError(f"What {run.name} has learned from cannot be told: {error}") from error


def _classes(run: Run) -> str:
    return ", ".join(f"{label} {name}" for label, name in run.labels().items())


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"
