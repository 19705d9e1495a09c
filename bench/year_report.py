"""The year on one page: `python -m bench.year_report YEAR.json docs/performance`."""

from __future__ import annotations

import json
import statistics
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- written by bench.year: begin -->", "<!-- written by bench.year: end -->"


def write_report(year: dict[str, Any], folder: Path) -> None:
    """Write year.md, between its marks, and year.png."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "year.md"
    before, after = "# A year of nightly crawls\n\n", "\n"
    if page.is_file() and BEGIN in (text := page.read_text(encoding="utf-8")):
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{told(year)}{END}{after}", encoding="utf-8")
    draw(year, folder / "year.png")


def told(year: dict[str, Any]) -> str:
    """The page's text."""
    nights, months, changes = year["nights"], year["months"], year["changes"]
    cards = [late["sightings"] - early["sightings"] for early, late in pairwise(nights)]
    pages = [late["pages"] - early["pages"] for early, late in pairwise(nights)]
    # The first night has none before it, and meets every picture for the first time.
    numbered = zip(nights[1:], cards, pages, strict=True)
    well = [{**one, "cards": seen, "read": read} for one, seen, read in numbered if one["code"] == 0]
    half = len(well) // 2
    first, second = well[:half], well[half:]

    def pair(name: str, scale: float = 1, digits: int = 1) -> str:
        early, late = (statistics.median(one[name] for one in part) / scale for part in (first, second))
        return f"{early:,.{digits}f} | {late:,.{digits}f} | {late / early:.2f}"

    last = nights[-1]
    a_sighting = (last["catalogue"] - nights[0]["catalogue"]) / max(1, last["sightings"] - nights[0]["sightings"])
    endings = ", ".join(f"{number} × {code}" for code, number in sorted(year["ends"].items()))
    happened = (
        f"The shop had {changes['new']} new products, {changes['gone']} gone, {changes['photographed']} photographed anew and "
        f"{changes['moved']} moved to another listing; it blocked, was busy, changed its markup twice and could not be read on "
        "three nights; on one night the disk was full, on one the process was killed."
    )
    grows = (
        f"The catalogue grows by {a_sighting:,.0f} bytes a sighting: every night says which card stood where. What else grew "
        "stands in the tables; a night's CPU is to be read beside its pages and cards."
    )
    lines = [
        f"`make year`: {len(nights)} nights, three listings each, simulated days; Python {year['python']}, seed {year['seed']}.",
        "",
        happened,
        "",
        f"Exit codes: {endings}. What should not have been: {'; '.join(year['wrong']) or 'nothing'}.",
        "",
        "| of a night that went well, median | first half | second half | ratio |",
        "| --- | ---: | ---: | ---: |",
        f"| listing pages read | {pair('read', digits=0)} |",
        f"| cards seen | {pair('cards', digits=0)} |",
        f"| CPU-seconds | {pair('cpu', digits=2)} |",
        f"| peak memory, MB | {pair('megabytes')} |",
        f"| open handles at the end | {pair('handles')} |",
        "",
        "| | first night | last night |",
        "| --- | ---: | ---: |",
        f"| catalogue, kB | {nights[0]['catalogue'] / 1000:,.0f} | {last['catalogue'] / 1000:,.0f} |",
        f"| pictures known | {nights[0]['images']:,} | {last['images']:,} |",
        f"| sightings | {nights[0]['sightings']:,} | {last['sightings']:,} |",
        f"| files of the store | {nights[0]['files']:,} | {last['files']:,} |",
        f"| bytes of the store, kB | {nights[0]['bytes'] / 1000:,.0f} | {last['bytes'] / 1000:,.0f} |",
        "",
        grows,
        "",
        "| export after night | pictures | train | val | test | moved | CPU-s | MB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one['night']} | {one['pictures']} | {one.get('train', '')} | {one.get('val', '')} | {one.get('test', '')} "
            f"| {one['moved']} | {one.get('cpu', '')} | {one.get('megabytes', '')} |"
            for one in months
        ),
        "",
        "![The year: CPU-seconds, memory, size of the catalogue, pictures](year.png)",
        "",
    ]
    return "\n".join(lines)


def draw(year: dict[str, Any], file: Path) -> None:
    """Four small plots over the nights."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    nights = year["nights"]
    days = [one["night"] for one in nights]
    figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True, layout="constrained")
    for axis, (name, scale, title) in zip(
        axes.flat,
        [
            ("cpu", 1, "CPU-seconds a night"),
            ("megabytes", 1, "peak memory, MB"),
            ("catalogue", 1e6, "catalogue, MB"),
            ("files", 1, "files of the store"),
        ],
        strict=True,
    ):
        axis.plot(days, [one[name] / scale for one in nights], ".", markersize=3, color="#20639b")
        bad = [one for one in nights if one["code"]]
        axis.plot([one["night"] for one in bad], [one[name] / scale for one in bad], "x", markersize=5, color="#c0392b")
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("night (crosses: did not end well)")
    figure.savefig(file, dpi=80, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    write_report(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
