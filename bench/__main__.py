"""Measurements that write pages: `python -m bench [NAME …] [--rounds 5] [--full] [--to docs/performance]`.

Each runs beside its peers, in turns, on this machine, and writes a table between marks and a picture. Peers live in environments
of their own below `.bench`, which are made the first time; one that cannot be had is named in the table.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.cluster import cluster
from bench.crawl import write_crawl
from bench.export import PACKAGES, PEERS, class_folders, fill
from bench.growth_of_commands import growth
from bench.predicting import predictions
from bench.tables import (
    PERFORMANCE,
    Way,
    draw_bars,
    headline,
    in_turns,
    machine,
    peer_python,
    table,
    versions,
    weigh,
    write_headlines,
    write_page,
)
from bench.training import training

HERE = Path(__file__).resolve().parent


def shop_photograph(number: int) -> bytes:
    """A drawn picture as shops send them: 600 by 800 with a light border, JPEG 4:2:0 of some 76 kB."""
    dice = np.random.default_rng(number)
    coarse, fine = (
        Image.fromarray(dice.integers(0, 256, shape, dtype=np.uint8)).resize((520, 720), Image.Resampling.BICUBIC)
        for shape in ((9, 7, 3), (144, 104, 3))
    )
    made = Image.new("RGB", (600, 800), (246, 245, 243))
    made.paste(Image.blend(coarse, fine, 0.35), (40, 40))
    ImageDraw.Draw(made).ellipse((200, 60, 400, 260), fill=tuple(int(one) for one in dice.integers(60, 220, 3)))
    stream = io.BytesIO()
    made.save(stream, "JPEG", quality=87, subsampling="4:2:0")
    return stream.getvalue()


def fingerprints(rounds: int, full: bool, folder: Path) -> None:
    """Six hashes and a checksum of a picture, beside what others compute."""
    number = 3000 if full else 300
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        pictures.mkdir()
        sizes = []
        for one in range(number):
            data = shop_photograph(one)
            sizes.append(len(data))
            (pictures / f"{one:05d}.jpg").write_bytes(data)

        def way(name: str, title: str, python: str | None = sys.executable) -> Way:
            missing = "" if python else "could not be installed here"
            return Way(title, [python or "", str(HERE / "ways.py"), name, str(pictures)], missing=missing)

        pdq = peer_python("pdq", ["pdqhash", "pillow", "numpy"])
        # Without its dependencies: PyTorch, which its pHash does not use, is 2 GB.
        needed = ["numpy", "pillow", "PyWavelets", "scikit-learn", "tqdm"]
        dedup = peer_python("imagededup", needed, alone=["imagededup"])
        ways = [
            way("stj", "STJ: checksum, six hashes"),
            way("imagehash_four", "imagehash: checksum, four hashes"),
            way("imagehash_one", "imagehash: one hash"),
            way("pdq", "PDQ: one hash", pdq),
            way("imagededup", "imagededup: one hash", dedup),
            way("decode", "Pillow: the drafted decoding alone"),
        ]
        in_turns(ways, rounds)
    told = [versions(["pillow", "imagehash", "numpy"])]
    told += [versions(["pdqhash"], pdq)] if pdq else []
    told += [versions(["imagededup"], dedup)] if dedup else []
    text = (
        f"`python -m bench fingerprints`: {number} drawn pictures of 600×800 with a border, {np.mean(sizes) / 1000:.0f} kB on "
        f"average, JPEG 4:2:0; each way in a process of its own, start included, {rounds} rounds in turns. {machine()}; "
        f"{', '.join(told)}. Medians, least to most.\n\n"
        + table(ways, {"cpu": "CPU-ms a picture", "seconds": "ms a picture", "megabytes": "peak MB"}, per=number / 1000)
        + "\n\n![CPU-milliseconds a picture](fingerprints.png)\n"
    )
    write_page("fingerprints", "Fingerprints beside their peers", text, folder)
    draw_bars(ways, "cpu", "CPU-milliseconds a picture, start included", folder / "fingerprints.png", number / 1000)
    headline("fingerprints", "A checksum and six perceptual hashes", ways, [one.name for one in ways[1:-1]], folder)


def starts(rounds: int, full: bool, folder: Path) -> None:
    """How long a command takes before it can do anything."""
    python = sys.executable

    def main_of(module: str, *words: str) -> list[str]:
        return [python, "-c", f"from {module} import main; main()", *words]

    ways = [
        Way("stj --help", main_of("stj.cli", "--help")),
        Way("stj-dataset --help", main_of("stj_dataset.cli", "--help")),
        Way("stj-model --help", main_of("stj_model.cli", "--help")),
        Way("scrapy list, with STJ's settings", [python, "-m", "scrapy", "list"]),
        Way("Python alone", [python, "-c", "pass"]),
        Way("import scrapy.crawler", [python, "-c", "import scrapy.crawler"]),
        Way("import typer, numpy, PIL", [python, "-c", "import typer, numpy, PIL.Image"]),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
        in_turns(ways, rounds * (3 if full else 1), Path(scratch))
    text = (
        f"`python -m bench starts`: {len(ways[0].runs)} rounds in turns. {machine()}; {versions(['scrapy', 'typer'])}. "
        "Medians, least to most.\n\n"
        + table(ways, {"cpu": "CPU-ms", "seconds": "ms", "megabytes": "peak MB"}, per=0.001, digits=0)
        + "\n\n![CPU-milliseconds of a start](starts.png)\n"
    )
    write_page("starts", "What a start costs", text, folder)
    draw_bars(ways, "cpu", "CPU-milliseconds", folder / "starts.png", 0.001)


def neighbours(rounds: int, full: bool, folder: Path) -> None:
    """Nearest hashes, beside faiss; see bench/neighbours.py for the catalogue's own part."""
    import json
    import subprocess

    size = 1_000_000 if full else 100_000
    # The index needs numpy and Pillow alone, so that it runs in the peer's environment, on the same hashes in one process.
    python = peer_python("faiss", ["faiss-cpu", "numpy", "pillow"])
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[2]); from bench import neighbours as n; size = int(sys.argv[1])\n"
        "hashes = n.make_hashes(size, like_photographs=False); rows = n.bench_stj(hashes)\n"
        "rows += n.bench_faiss(hashes) if sys.argv[3] == '1' else []; print(json.dumps(rows))"
    )
    command = [python or sys.executable, "-c", code, str(size), str(HERE.parent), "1" if python else "0"]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for one in json.loads(said):
            found.setdefault((one["who"], one["what"]), []).append(one)
    lines = ["| who | what | CPU-seconds | seconds | runs |", "| --- | --- | ---: | ---: | ---: |"]
    for (who, what), runs in found.items():
        cells = []
        for name in ("cpu", "seconds"):
            values = sorted(one[name] for one in runs)
            cells.append(f"{values[len(values) // 2]:.3f} ({values[0]:.3f}–{values[-1]:.3f})")
        lines.append(f"| {who} | {what} | {cells[0]} | {cells[1]} | {len(runs)} |")
    told = versions(["faiss-cpu", "numpy"], python) if python else "faiss could not be installed here"
    text = (
        f"`python -m bench neighbours`: {size:,} hashes. {machine()}; {told}. Medians, least to most.\n\n"
        + "\n".join(lines)
    )
    write_page("neighbours", "Near hashes beside faiss", text, folder)


def exports(rounds: int, full: bool, folder: Path) -> None:
    """An export of a catalogue, check included, beside what copies or splits the same files."""
    number = 20_000 if full else 2_000
    with tempfile.TemporaryDirectory() as scratch:
        filled, out = Path(scratch) / "filled", Path(scratch) / "out"
        fill(filled, number)
        class_folders(filled)
        once = [sys.executable, str(HERE / "export.py"), "--once", str(filled), str(out)]
        python = peer_python("exports", list(PACKAGES))
        ways = [
            Way("STJ: copied, grouped, split, checked", [*once, "copy"], out=out),
            Way("STJ: the same with hard links", [*once, "link"], out=out),
            Way("cp -r", ["cp", "-r", str(filled / "images"), str(out)], out=out),
            *(
                Way(name, [python or "", "-c", code, str(filled / "classes"), str(out)], out=out,
                    missing="" if python else "could not be installed here")
                for name, code in PEERS.items()
            ),
        ]  # fmt: skip
        in_turns(ways, rounds)
    told = versions(list(PACKAGES), python) if python else ""
    text = (
        f"`python -m bench exports`: {number:,} different pictures of some 45 kB, {rounds} rounds in turns, each in a process of "
        f"its own, start included. {machine()}; {told}. Medians, least to most. Neither of the last two looks for copies.\n\n"
        + table(ways, {"seconds": "s", "cpu": "CPU-s", "megabytes": "peak MB"})
        + "\n\n![Seconds of an export](exports.png)\n"
    )
    write_page("exports", "An export beside cp -r and its peers", text, folder)
    draw_bars(ways, "seconds", "seconds", folder / "exports.png")
    headline("exports", "An export, leak check included", ways, ["cp -r", *PEERS], folder)


def studio(rounds: int, full: bool, folder: Path) -> None:
    """The studio's views over many rows, by bench/web.py."""
    # Each view is asked for several times by the measurement itself: a round has nothing to add.
    del rounds
    rows = "100000" if full else "20000"
    as_told(
        "studio",
        "The studio over many pictures",
        ["bench.web", "gallery", "--rows", rows],
        ["flask", "sqlalchemy"],
        folder,
    )


def as_told(name: str, title: str, command: list[str], packages: list[str], folder: Path) -> None:
    """Write what another measurement prints, word for word, with its command, what all of it took, and this machine."""
    spent = weigh([sys.executable, "-m", *command])
    text = (
        f"`python -m {' '.join(command)}`, which took {spent.cpu:.0f} CPU-seconds and at most {spent.megabytes:.0f} MB with "
        f"all that it starts. {machine()}; {versions(packages)}.\n\n```\n{spent.said.strip()}\n```\n"
    )
    write_page(name, title, text, folder)


BENCHES: dict[str, Callable[[int, bool, Path], None]] = {
    "fingerprints": fingerprints,
    "starts": starts,
    "neighbours": neighbours,
    "crawl": write_crawl,
    "exports": exports,
    "predictions": predictions,
    "training": training,
    "studio": studio,
    "growth": growth,
    "cluster": cluster,
}


def main() -> None:
    """Run the measurements that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="all without a name")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="at full size: minutes to hours")
    parser.add_argument("--to", type=Path, default=PERFORMANCE, help="folder of the pages")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    for name in given.names or BENCHES:
        print(f"{name} …", file=sys.stderr, flush=True)
        BENCHES[name](given.rounds, given.full, given.to)
        print((given.to / f"{name}.md").read_text(encoding="utf-8"))
    if given.to.resolve() == PERFORMANCE and (PERFORMANCE / "headlines.json").is_file():
        write_headlines()


if __name__ == "__main__":
    main()
