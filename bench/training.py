"""Training beside the student's notebook and Keras' guide: CPU-seconds until so many pictures of unseen shops are named rightly.

    python -m bench.training --pictures FOLDER --weights FILE [--per-class 80] [--test 0.4] [--epochs 25]
                             [--targets 0.8,0.9] [--keep FILE] [--to docs/performance]

The folder (with a folder for each class, and a SOURCES.csv) is imported and exported with whole shops held out. All three ways
learn from the same train and val; none sees the held-out shops, on which each is judged after every epoch, at no cost to it.
Without a folder garments are drawn and weights too: then only what training costs is told, for how well it does says nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.predicting import DRAWN_WEIGHTS
from bench.tables import Spent, machine, versions, weigh, write_page
from stj_core.files import file_sha256, write_json
from stj_core.intervals import wilson
from stj_dataset.manifest import ManifestRow, read_labels, read_manifest, read_settings, write_labels, write_manifest
from stj_demo.sources import Drawn

OURS, NOTEBOOK, GUIDE = "stj-model train --recipe default", "the student's notebook", "Keras' guide"
_STJ = "import sys; from stj_{room}.cli import main; sys.exit(main())"
CHEAPER, POINTS = 15, 14
_KINDS = "saree", "trousers", "jeans"
_DRAWN_SHOPS = 6
_COLOURS = {OURS: "#20639b", NOTEBOOK: "#b5651d", GUIDE: "#5a8f53"}


@dataclass(frozen=True)
class Judged:
    """What had been spent, and how many pictures of unseen shops were named rightly, after an epoch."""

    epoch: int
    phase: str
    cpu: float
    seconds: float
    correct: int
    n: int
    val_loss: float = 0.0

    @property
    def accuracy(self) -> float:
        """The share."""
        return self.correct / self.n


@dataclass(frozen=True)
class Trained:
    """One way, and how it went.

    Attributes:
        name: of the way.
        epochs: all of them, in order.
        kept: the one whose network is kept.
        cpu: CPU-seconds to the end, judging left out.
        seconds: on the wall, likewise.
        megabytes: the most that its processes held, judging included.
    """

    name: str
    epochs: list[Judged]
    kept: Judged
    cpu: float
    seconds: float
    megabytes: float


def main() -> None:
    """Measure, write the page, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="a folder with a folder for each class, and a SOURCES.csv")
    parser.add_argument("--weights", help="imagenet or a .weights.h5 file; drawn ones without pictures")
    parser.add_argument("--per-class", type=int, default=80, help="pictures of a class at most")
    parser.add_argument("--test", type=float, default=0.4, help="share of the pictures whose shops are held out")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--targets", default="0.8,0.9", help="accuracies to time")
    parser.add_argument("--keep", type=Path, help="a file that keeps what each way took, for a session that is cut off")
    parser.add_argument("--to", type=Path, help="folder of the page; none is written by default")
    given = parser.parse_args()
    if bool(given.pictures) != bool(given.weights):
        parser.error(
            "--pictures and --weights are given together: only real pictures and learned weights say how well."
        )
    targets = [float(one) for one in given.targets.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder = given.pictures.resolve() if given.pictures else drawn_pictures(place, given.per_class)
        weights = (
            given.weights if given.weights != "imagenet" and given.weights else given.weights or drawn_weights(place)
        )
        weights = str(Path(weights).resolve()) if Path(weights).is_file() else weights
        dataset, unseen = prepare(place, folder, given.per_class, given.test)
        counts = counted(dataset, unseen)
        found = measure(place, dataset, unseen, weights, given.epochs, given.keep)
    drawn = given.pictures is None
    text = told(found, counts, targets, given, drawn=drawn)
    print(text)
    if given.to:
        write(found, text, given.to, drawn=drawn)


def training(rounds: int, full: bool, folder: Path) -> None:
    """The three ways on a few drawn pictures: what training costs, as a part of the page; real pictures are main's."""
    del rounds
    given = argparse.Namespace(per_class=60 if full else 24, test=0.4, epochs=25 if full else 5)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        dataset, unseen = prepare(place, drawn_pictures(place, given.per_class), given.per_class, given.test)
        counts = counted(dataset, unseen)
        found = measure(place, dataset, unseen, drawn_weights(place), given.epochs)
    write(found, told(found, counts, [], given, drawn=True), folder, drawn=True)


def drawn_pictures(place: Path, per_class: int) -> Path:
    """Drawn garments in folders, of a few made-up shops."""
    folder = place / "drawn"
    lines = []
    for label, kind in enumerate(_KINDS):
        (folder / f"{label}_{kind}").mkdir(parents=True)
        for number in range(per_class):
            name = f"{label}_{kind}/{number}.jpg"
            (folder / name).write_bytes(Drawn(kind, 42, number).read())
            lines.append((name, f"shop {number % _DRAWN_SHOPS} of {kind}"))
    with (folder / "SOURCES.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("file", "source"), *lines])
    return folder


def drawn_weights(place: Path) -> str:
    """A whole ResNet50's weights, from Keras' seed."""
    file = place / "drawn.weights.h5"
    weigh([sys.executable, "-c", DRAWN_WEIGHTS, str(file)], place)
    about = {"architecture": "resnet50", "preprocessing": "caffe", "source": "drawn", "licence": "CC0-1.0"}
    write_json({**about, "sha256": file_sha256(file)}, place / "drawn.weights.json")
    return str(file)


def prepare(place: Path, folder: Path, per_class: int, test: float) -> tuple[Path, Path]:
    """Import and export a folder with whole shops held out; the dataset to learn from, and a folder of the shops to judge by."""
    stj(place, "dataset", "import", str(folder))
    options = ["--by", "source", "--test", str(test), "--split", "0.2", "--per-class", str(per_class)]
    stj(place, "dataset", "export", "whole", *options)
    rows = read_manifest(place / "whole")
    part_of(place / "whole", place / "learn", [row for row in rows if row.split in ("train", "val")])
    unseen = place / "whole" / "test"
    for label in read_labels(place / "whole"):
        for split in (unseen, place / "learn" / "train", place / "learn" / "val"):
            (split / str(label)).mkdir(parents=True, exist_ok=True)
    return place / "learn", unseen


def part_of(dataset: Path, into: Path, rows: Sequence[ManifestRow]) -> Path:
    """A dataset of some of another's pictures, hard-linked."""
    for row in rows:
        (into / row.file).parent.mkdir(parents=True, exist_ok=True)
        os.link(dataset / row.file, into / row.file)
    write_labels(read_labels(dataset), into / "labels.json")
    write_json({**read_settings(dataset), "digest": write_manifest(rows, into / "manifest.csv")}, into / "dataset.json")
    return into


def counted(dataset: Path, unseen: Path) -> dict[str, int]:
    """Pictures and shops, of what is learned from and of what is judged by."""
    rows = read_manifest(dataset)
    others = [row for row in read_manifest(unseen.parent) if row.split == "test"]
    shared = {row.source for row in rows} & {row.source for row in others}
    if shared:
        raise SystemExit(f"These shops are on both sides: {', '.join(sorted(shared))}.")
    told = {split: sum(row.split == split for row in rows) for split in ("train", "val")}
    return {**told, "shops": len({row.source for row in rows}), "unseen": len(others),
            "unseen shops": len({row.source for row in others})}  # fmt: skip


def measure(
    place: Path, dataset: Path, unseen: Path, weights: str, epochs: int, keep: Path | None = None
) -> list[Trained]:
    """Each way once, ours first; those that a file of an earlier session has are taken from it, the others are added."""
    found = _kept(keep)
    for name, way in ((OURS, ""), (NOTEBOOK, "notebook"), (GUIDE, "guide")):
        if name in found:
            continue
        found[name] = (
            theirs(place, way, name, dataset, unseen, weights, epochs) if way else ours(place, dataset, unseen, weights)
        )
        if keep:
            write_json({one: asdict(told) for one, told in found.items()}, keep)
    return [found[name] for name in (OURS, NOTEBOOK, GUIDE)]


def _kept(file: Path | None) -> dict[str, Trained]:
    if file is None or not file.is_file():
        return {}
    return {
        name: Trained(**{**one, "epochs": [Judged(**at) for at in one["epochs"]], "kept": Judged(**one["kept"])})
        for name, one in json.loads(file.read_text(encoding="utf-8")).items()
    }


def theirs(place: Path, way: str, name: str, dataset: Path, unseen: Path, weights: str, epochs: int) -> Trained:
    """A way of `bench.training_ways`; the guide's head is given four fifths of the epochs."""
    number = epochs if way == "notebook" else guide_epochs(epochs)
    command = ["-m", "bench.training_ways", way, str(dataset), str(unseen), weights, "--epochs", str(number)]
    spent = weigh([sys.executable, *command], place)
    lines = [Judged(**json.loads(line)) for line in spent.said.splitlines() if line.startswith("{")]
    kept = min(lines, key=lambda one: one.val_loss) if way == "notebook" else lines[-1]
    return Trained(name, lines, kept, lines[-1].cpu, lines[-1].seconds, spent.megabytes)


def guide_epochs(epochs: int) -> int:
    """Keras' guide trained its head for 20 where the notebook goes over its pictures 25 times."""
    return max(1, epochs * 4 // 5)


def ours(place: Path, dataset: Path, unseen: Path, weights: str) -> Trained:
    """Our own training, report and all; its head has no epochs to be judged between."""
    spent = stj(place, "model", "train", str(dataset), "--weights", weights, "--json")
    run = json.loads(spent.said)["run"]
    judged = json.loads(stj(place, "model", "evaluate", run, "--on", str(unseen), "--json").said)
    only = Judged(1, "whole", spent.cpu, spent.seconds, judged["correct"], judged["n"])
    return Trained(OURS, [only], only, spent.cpu, spent.seconds, spent.megabytes)


def stj(place: Path, room: str, *words: str) -> Spent:
    """Run a command of ours in a folder of its own."""
    return weigh([sys.executable, "-c", _STJ.format(room=room), *words], place)


def reached(way: Trained, target: float) -> Judged | None:
    """The first epoch after which a share of unseen pictures was named rightly; None where none was."""
    return next((one for one in way.epochs if one.accuracy >= target), None)


def share(one: Judged) -> str:
    """An accuracy with its size and Wilson's 95 % interval.

    >>> share(Judged(1, "whole", 1.0, 1.0, 9, 10))
    '9 of 10, 0.900 [0.596, 0.982]'
    """
    low, high = wilson(one.correct, one.n)
    return f"{one.correct} of {one.n}, {one.accuracy:.3f} [{low:.3f}, {high:.3f}]"


def told(
    found: Sequence[Trained],
    counts: dict[str, int],
    targets: Sequence[float],
    given: argparse.Namespace,
    *,
    drawn: bool,
) -> str:
    """The page's text."""
    what = (
        f"{counts['train']} pictures of {counts['shops']} shops to learn from with {counts['val']} for validation, and "
        f"{counts['unseen']} of {counts['unseen shops']} other shops to judge by (`stj-dataset export --by source --test "
        f"{given.test} --per-class {given.per_class}`)"
    )
    how = (
        "Each way once, in a process of its own, start included; what judging costs is taken off. "
        f"{machine()}; {versions(['keras', 'tensorflow'])}. "
        "The notebook: all but the last ten layers frozen, 256×256, RMSprop at 1e-4, batches of 4, up to "
        f"{given.epochs} epochs, the one with the least val_loss kept. Keras' guide: {guide_epochs(given.epochs)} epochs of a "
        "head on the frozen base (mirrored, turned, mean, dropout, Adam at 1e-3), 3 of all layers at 1e-5. Ours: features once, "
        "three views, heads with shops held out, calibration, thresholds and the report."
    )
    if drawn:
        begin = f"`python -m bench training`: drawn garments and drawn weights, {what}. **No accuracy is claimed of either**. "
        return f"{begin}{how}\n\n{costs(found)}"
    begin = f"`python -m bench.training --pictures FOLDER --weights FILE`: {what}. "
    tables = f"{costs(found, judged=True)}\n\n{goal(found)}\n\n{times(found, targets)}"
    return (
        f"{begin}{how}\n\n{tables}\n\nAn epoch counts as soon as it reached the figure, though nobody without the unseen shops "
        "could have known.\n\n"
        "![Accuracy on unseen shops over CPU-seconds](training.png)\n\nEvery epoch:\n\n" + every(found)
    )


def costs(found: Sequence[Trained], *, judged: bool = False) -> str:
    """What each way cost, and where its kept network stands."""
    head, rule = "| | CPU-s | s | peak MB | epochs | CPU, theirs / ours |", "| --- | ---: | ---: | ---: | ---: | ---: |"
    lines = [head + (" unseen shops, right |" * judged), rule + (" ---: |" * judged)]
    for one in found:
        cells = f"| {one.name} | {one.cpu:,.0f} | {one.seconds:,.0f} | {one.megabytes:,.0f} | {len(one.epochs)} | "
        lines.append(f"{cells}{one.cpu / found[0].cpu:.1f} |" + (f" {share(one.kept)} |" * judged))
    return "\n".join(lines)


def goal(found: Sequence[Trained]) -> str:
    """How far the goal is: so many times cheaper than the notebook, at so many points more on unseen shops."""
    mine, notebook = (next(one for one in found if one.name == name) for name in (OURS, NOTEBOOK))
    cheaper, points = notebook.cpu / mine.cpu, 100 * (mine.kept.accuracy - notebook.kept.accuracy)
    verdict = "reached" if cheaper >= CHEAPER and points >= POINTS else "not reached"
    return (
        f"The goal, {CHEAPER} times cheaper than the notebook at {POINTS} points more: here {cheaper:.1f} times at {points:.0f} "
        f"points more, {verdict}. The intervals say how sure the points are."
    )


def times(found: Sequence[Trained], targets: Sequence[float]) -> str:
    """The CPU-seconds until each accuracy on unseen shops."""
    head = " | ".join(f"CPU-s to {target:g}" for target in targets)
    lines = [f"| | {head} | best epoch |", f"| --- |{' ---: |' * (len(targets) + 1)}"]
    for one in found:
        first = [reached(one, target) for target in targets]
        cells = " | ".join(f"{at.cpu:,.0f} (epoch {at.epoch})" if at else "never reached" for at in first)
        best = max(one.epochs, key=lambda epoch: epoch.correct)
        lines.append(f"| {one.name} | {cells} | {share(best)} |")
    return "\n".join(lines)


def every(found: Sequence[Trained]) -> str:
    """All that was recorded."""
    lines = ["| | epoch | CPU-s | s | val_loss | unseen shops, right |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for one in found[1:]:
        for at in one.epochs:
            name = f"{one.name}{', thawed' * (at.phase == 'thawed')}"
            lines.append(
                f"| {name} | {at.epoch} | {at.cpu:,.0f} | {at.seconds:,.0f} | {at.val_loss:.3f} | {share(at)} |"
            )
    return "\n".join(lines)


def write(found: Sequence[Trained], text: str, folder: Path, *, drawn: bool) -> None:
    """The page's part, and the picture of real pictures."""
    write_page("training", "Training beside the notebook and Keras' guide", text, folder, "drawn" if drawn else "")
    if not drawn:
        draw(found, folder / "training.png")


def draw(found: Sequence[Trained], file: Path) -> None:
    """Accuracy over CPU-seconds, with the interval of what is kept."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for one in found:
        shares = [at.accuracy for at in one.epochs]
        axis.plot([at.cpu for at in one.epochs], shares, "o-", ms=3, color=_COLOURS[one.name], label=one.name)
        low, high = wilson(one.kept.correct, one.kept.n)
        axis.plot([one.kept.cpu] * 2, [low, high], color=_COLOURS[one.name], lw=1)
    axis.set(xscale="log", xlabel="CPU-seconds, judging left out", ylabel="right, of unseen shops", ylim=(0, 1.02))
    axis.legend(fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=80, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
