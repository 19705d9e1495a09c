"""What every measurement shares: commands weighed with all that they start, medians, a table between marks, a picture."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
PERFORMANCE = ROOT / "docs" / "performance"
PEERS = ROOT / ".bench"
_LOOK_SECONDS, _LOOKS_A_FAMILY = 0.005, 20
README_BEGIN, README_END = "<!-- written by bench: begin -->", "<!-- written by bench: end -->"


@dataclass(frozen=True)
class Spent:
    """What one run of a command took, its whole process tree counted.

    Attributes:
        seconds: on the wall.
        cpu: CPU-seconds.
        megabytes: the most that all its processes held at one moment.
        said: what it printed.
    """

    seconds: float
    cpu: float
    megabytes: float
    said: str = ""


@dataclass
class Way:
    """One way to do a piece of work.

    Attributes:
        name: as the table has it.
        command: with its Python first.
        runs: of it.
        missing: why it could not be had; it then has no runs.
        out: a folder that it writes; it is removed before each run.
    """

    name: str
    command: list[str]
    runs: list[Spent] = field(default_factory=list)
    missing: str = ""
    out: Path | None = None

    def run(self, folder: Path | None = None) -> Spent:
        """Weigh it once."""
        if self.out:
            shutil.rmtree(self.out, ignore_errors=True)
        return weigh(self.command, folder)


def weigh(command: Sequence[str], folder: Path | None = None) -> Spent:
    """Run a command and weigh all that it starts.

    Raises:
        RuntimeError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STJ_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))  # type: ignore[union-attr]  # piped above
    reader.start()
    with watched(process.pid) as peak:
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    reader.join()
    process.stdout.close()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {process.returncode}: {said[0][-500:]}")
    return Spent(seconds, used.ru_utime + used.ru_stime, peak.megabytes, out)


@dataclass
class Peak:
    """The most memory that a process and its children were seen to hold."""

    megabytes: float = 0.0


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """Watch a process's memory until the end of the block.

    Not the system's own `ru_maxrss`: that one counts what the process held before it became the command, which is all that the
    measuring process holds.
    """
    peak, over = Peak(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(pid, peak, over))
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _watch(pid: int, peak: Peak, over: threading.Event) -> None:
    """Read the process's own high-water mark every few milliseconds, and its family's sum, which costs more, now and then."""
    looks = 0
    while True:
        with suppress(psutil.Error, OSError):
            peak.megabytes = max(peak.megabytes, _highest(pid))
            if looks % _LOOKS_A_FAMILY == 0:
                family = [one := psutil.Process(pid), *one.children(recursive=True)]
                peak.megabytes = max(peak.megabytes, sum(one.memory_info().rss for one in family) / 1e6)
        looks += 1
        if over.wait(_LOOK_SECONDS):
            return


def _highest(pid: int) -> float:
    """The most that a process held since it became its command, in MB; 0 where the system does not say."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:"))


def peer_python(name: str, packages: Sequence[str], alone: Sequence[str] = ()) -> str | None:
    """The Python of a peer's own virtual environment, which is made the first time; None where the packages cannot be had.

    Args:
        name: of the environment.
        packages: installed with all that they need.
        alone: installed without what they say that they need.
    """
    place = PEERS / name
    python, made = place / "bin" / "python", place / "made"
    wanted = "\n".join([*packages, *alone])
    if made.is_file() and made.read_text(encoding="utf-8") == wanted:
        return str(python)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for command in ([*install, *packages], *([[*install, "--no-deps", *alone]] if alone else [])):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
    made.write_text(wanted, encoding="utf-8")
    return str(python)


def in_turns(ways: Sequence[Way], rounds: int, folder: Path | None = None) -> None:
    """Run each way once to warm up, then in turns: A B C, C B A and so on."""
    for way in ways:
        if not way.missing:
            way.run(folder)
    for number in range(rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            if not way.missing:
                way.runs.append(way.run(folder))


def machine() -> str:
    """This machine, in a line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 1e9
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def _lines(name: str) -> list[str]:
    file = Path(name)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def versions(packages: Sequence[str], python: str | None = None) -> str:
    """The versions of packages, here or in a peer's environment."""
    if python is None:
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    ask = f"import importlib.metadata as m; print(', '.join(f'{{n}} {{m.version(n)}}' for n in {list(packages)!r}))"
    return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def table(ways: Sequence[Way], values: dict[str, str], *, per: float = 1, digits: int = 2) -> str:
    """A Markdown table: median (least to most) of each value, and the ratio of the first way to each other.

    Args:
        ways: the first is ours.
        values: from a field of `Spent` to its column's title; the first gives the ratio.
        per: each value of time is divided by it.
        digits: after the point.
    """
    lines = [f"| | {' | '.join(values.values())} | runs | ours / this |", f"| --- |{' ---: |' * (len(values) + 2)}"]
    first = next(iter(values))
    ours = statistics.median(getattr(one, first) for one in ways[0].runs)
    for way in ways:
        if way.missing:
            lines.append(f"| {way.name} | {way.missing} |{' |' * len(values)} |")
            continue
        cells = []
        for name in values:
            scale = 1 if name == "megabytes" else per
            found = [getattr(one, name) / scale for one in way.runs]
            places = 0 if name == "megabytes" else digits
            cells.append(f"{statistics.median(found):,.{places}f} ({min(found):,.{places}f}–{max(found):,.{places}f})")
        ratio = ours / statistics.median(getattr(one, first) for one in way.runs)
        lines.append(f"| {way.name} | {' | '.join(cells)} | {len(way.runs)} | {ratio:.2f} |")
    return "\n".join(lines)


def write_page(name: str, title: str, text: str, folder: Path = PERFORMANCE, part: str = "") -> Path:
    """Put text between the marks of docs/performance/NAME.md; what people wrote around them stays.

    Args:
        name: of the page.
        title: of a page that is not there yet.
        text: what was measured.
        folder: of the pages.
        part: of a page that has several, each between marks of its own; one that is not there yet goes to the end.
    """
    by = f"{name}, {part}" if part else name
    begin, end = f"<!-- written by bench {by}: begin -->", f"<!-- written by bench {by}: end -->"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.md"
    before, after = f"# {title}\n\n", "\n"
    if page.is_file():
        old = page.read_text(encoding="utf-8")
        before, after = (
            (old.partition(begin)[0], old.partition(end)[2]) if begin in old else (f"{old.rstrip()}\n\n", "\n")
        )
    page.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}", encoding="utf-8")
    return page


def draw_bars(ways: Sequence[Way], value: str, label: str, file: Path, per: float = 1) -> None:
    """A bar for each way: its median, with a line from the least to the most."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    there = [way for way in ways if way.runs]
    figure, axis = plt.subplots(figsize=(7, 0.5 + 0.45 * len(there)), layout="constrained")
    for place, way in enumerate(reversed(there)):
        found = [getattr(one, value) / per for one in way.runs]
        middle = statistics.median(found)
        colour = "#20639b" if way is ways[0] else "#a9b8c4"
        axis.barh(place, middle, color=colour, height=0.6)
        axis.plot([min(found), max(found)], [place, place], color="black", linewidth=1)
        axis.text(max(found), place, f"  {middle:,.2f}", va="center", fontsize=9)
    axis.set_yticks(range(len(there)), [way.name for way in reversed(there)], fontsize=9)
    axis.set_xlabel(label, fontsize=9)
    axis.set_xlim(right=axis.get_xlim()[1] * 1.15)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=80, metadata={"Software": None})
    plt.close(figure)


def headline(name: str, what: str, ways: Sequence[Way], beside: Sequence[str], folder: Path) -> None:
    """Keep the ratios of CPU of the first way to some others in headlines.json, from which README's table is written.

    Args:
        name: of the bench.
        what: is compared, for a person.
        ways: the first is ours.
        beside: names of the others.
        folder: of the pages.
    """
    file = folder / "headlines.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    ours = statistics.median(one.cpu for one in ways[0].runs)
    ratios = {way.name: ours / statistics.median(one.cpu for one in way.runs) for way in ways if way.runs}
    known[name] = {"what": what, "ratios": {one: round(ratios[one], 2) for one in beside if one in ratios}}
    file.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")


def write_headlines(folder: Path = PERFORMANCE, readme: Path = ROOT / "README.md") -> None:
    """Write README's table, between its marks, from headlines.json."""
    known = json.loads((folder / "headlines.json").read_text(encoding="utf-8"))
    lines = ["| CPU-seconds, ours / theirs | | Measured by |", "| --- | --- | --- |"]
    for name, told in known.items():
        ratios = ", ".join(f"{ratio:.2f} × {peer}" for peer, ratio in told["ratios"].items())
        page = f"[`python -m bench {name}`](docs/performance/{name}.md)"
        lines.append(f"| {told['what']} | {ratios} | {page} |")
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(README_BEGIN)
    _, _, after = rest.partition(README_END)
    if rest:
        readme.write_text(f"{before}{README_BEGIN}\n{chr(10).join(lines)}\n{README_END}{after}", encoding="utf-8")


def kept(ways: Sequence[Way]) -> str:
    """The measurements as JSON, for those who want the numbers."""
    rows: list[dict[str, Any]] = [
        {"name": way.name, "missing": way.missing, "runs": [asdict(one) | {"said": ""} for one in way.runs]}
        for way in ways
    ]
    return json.dumps(rows, indent=1)
