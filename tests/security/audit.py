"""Look for weak places without a network: `python -m tests.security.audit` (`make audit`).

Bandit reads the rooms, and every finding is either mended or stands in accepted.toml with its reason. An assert is no finding
where it tells the type checker what is known; where something depends on it, it is, for `python -O` leaves it out. `pip check`
says whether the installed packages fit each other.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = Path(__file__).with_name("accepted.toml")
ASSERTS = "B101"


@dataclass(frozen=True)
class Finding:
    """A weak place, as bandit names it."""

    test: str
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """A line for a person."""
        return f"{self.file}:{self.line}: {self.test} {self.text}"


def rooms() -> list[str]:
    """The packages of the project."""
    return sorted(path.parent.name for path in ROOT.glob("stj*/__init__.py"))


def findings(folder: Path = ROOT, names: Iterable[str] | None = None) -> list[Finding]:
    """What bandit says of some packages or files, asserts for the type checker left out.

    Args:
        folder: where they are.
        names: which; the project's rooms without.
    """
    command = [sys.executable, "-m", "bandit", "-q", "-r", "-f", "json", *(rooms() if names is None else names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    if report["errors"]:
        raise RuntimeError(f"bandit could not read {report['errors']}")
    found = [
        Finding(one["test_id"], one["filename"].removeprefix("./"), one["line_number"], one["issue_text"])
        for one in report["results"]
    ]
    return [one for one in found if one.test != ASSERTS or not _tells_a_type(folder / one.file, one.line)]


def _tells_a_type(file: Path, line: int) -> bool:
    """Whether an assert says only `… is not None` or `isinstance(…)`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assert) and node.lineno == line:
            said = node.test
            if isinstance(said, ast.Call):
                return isinstance(said.func, ast.Name) and said.func.id == "isinstance"
            return isinstance(said, ast.Compare) and isinstance(said.ops[0], ast.IsNot)
    return False


def judge(found: Iterable[Finding], accepted: Path = ACCEPTED) -> list[str]:
    """What is wrong: findings that nobody accepted, and what was accepted and is not there."""
    entries = tomllib.loads(accepted.read_text(encoding="utf-8"))["accepted"]
    used: Counter[int] = Counter()
    wrong = []
    for one in found:
        place = next((n for n, entry in enumerate(entries) if _covers(entry, one)), None)
        if place is None:
            wrong.append(str(one))
        else:
            used[place] += 1
    wrong += [f"accepted.toml: nothing there any more: {entry}" for n, entry in enumerate(entries) if not used[n]]
    return wrong + [f"accepted.toml: no reason: {entry}" for entry in entries if len(entry.get("reason", "")) < 10]


def _covers(entry: dict[str, str], one: Finding) -> bool:
    return entry["test"] == one.test and (one.file == entry["room"] or one.file.startswith(entry["room"] + "/"))


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = findings()
    wrong = judge(found)
    fit = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if fit.returncode:
        wrong.append(fit.stdout.strip())
    for line in wrong:
        print(line)
    print(
        f"bandit: {len(found)} findings, {len(wrong)} of them neither mended nor accepted; pip check: {fit.stdout.strip()}"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
