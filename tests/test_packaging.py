"""What pyproject.toml promises: every import is declared where it is needed, and nothing is declared that nobody imports."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from stj_core.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = sorted(path.parent.name for path in ROOT.glob("stj*/__init__.py"))
# The extras that each room may need; what is not named here lives on the base alone.
ROOM_EXTRAS = {
    "stj_core": ("cluster",),
    "stj": ("model", "notebook"),
    "stj_catalog": ("spiders",),  # reads and rewrites web archives, with a sentence where warcio is not there
    "stj_spiders": ("spiders", "browser", "service"),
    "stj_images": ("crops", "heic"),
    "stj_dataset": ("audit", "parquet"),
    "stj_model": ("model", "export", "map"),
    "stj_web": ("web",),
}
# Used without an import of ours.
UNIMPORTED = {
    "ipykernel": "runs the notebook",
    "scrapyd": "a server of its own",
    "psycopg": "SQLAlchemy's driver for PostgreSQL",
    "s3fs": "fsspec's driver for s3://",
}


def declared(extra: str | None = None) -> set[str]:
    """The distributions that the base or an extra asks for, without STJ's own extras."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(one.name) for one in map(Requirement, lines) if one.name != "stj"}


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Every module that is neither Python's nor ours, with the file that imports it."""
    ours = {"tests", "docs", "bench", "there", *ROOMS}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.partition(".")[0] for name in names} - ours - set(sys.stdlib_module_names):
                yield top, str(file.relative_to(ROOT))


@cache
def _brought() -> dict[str, list[str]]:
    """Which distributions bring a module; reads every package's list of files, which takes a second."""
    return dict(packages_distributions())


def distributions(module: str) -> set[str]:
    return {canonicalize_name(name) for name in _brought().get(module, [])}


@pytest.mark.medium
@pytest.mark.parametrize("room", ROOMS)
def test_every_import_of_a_room_is_declared_for_it(room):
    allowed = declared().union(*(declared(extra) for extra in ROOM_EXTRAS.get(room, ())))
    undeclared = {(module, file) for module, file in imports(ROOT / room) if not distributions(module) & allowed}
    assert undeclared == set()


@pytest.mark.medium
@pytest.mark.parametrize("folder", ["tests", "docs"])
def test_what_the_tests_and_the_docs_import_is_declared_too(folder):
    everything = declared().union(*(declared(extra) for extra in PROJECT["optional-dependencies"]))
    assert {
        (module, file) for module, file in imports(ROOT / folder) if not distributions(module) & everything
    } == set()


@pytest.mark.medium
def test_every_package_that_is_declared_is_imported():
    used = set().union(*(distributions(module) for room in ROOMS for module, _ in imports(ROOT / room)))
    users = [extra for extra in PROJECT["optional-dependencies"] if extra not in {"all", "dev"}]
    asked = declared().union(*(declared(extra) for extra in users))
    assert asked - used - set(UNIMPORTED) == set()


def test_the_extras_that_errors_name_are_those_that_bring_the_module():
    extras = [extra for extra in PROJECT["optional-dependencies"] if extra not in {"all", "dev"}]
    assert sorted(EXTRAS) == sorted(extras)
    for extra in extras:
        brought = declared(extra)
        for module in EXTRAS[extra]:
            assert distributions(module) & brought, f"{module} is not brought by stj[{extra}]"
        named = set().union(*map(distributions, EXTRAS[extra]))
        assert brought <= named, f"an error that names what stj[{extra}] brings cannot name {brought - named}"


def test_all_is_every_extra_and_dev_is_more():
    (everything,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert everything.extras == set(PROJECT["optional-dependencies"]) - {"all", "dev"}


def test_every_package_that_is_declared_is_pinned():
    pins = {
        canonicalize_name(Requirement(line).name)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.strip()
    }
    asked = declared().union(*(declared(extra) for extra in PROJECT["optional-dependencies"]))
    assert asked - pins == set()


@pytest.mark.medium
def test_without_a_cluster_nothing_of_dask_is_imported(tmp_path: Path) -> None:
    """Every command that takes --cluster, on a small catalogue and dataset, in a process of its own."""
    commands = [
        ("stj_dataset.cli", ["import", "garments", "--json"]),
        ("stj_dataset.cli", ["verify"]),
        ("stj_dataset.cli", ["dedupe", "--json"]),
        ("stj_dataset.cli", ["export", "--allow-missing", "--json"]),
        ("stj_dataset.cli", ["verify", "dataset"]),
        ("stj_dataset.cli", ["audit", "--pictures-only", "--json"]),
    ]
    for label, name in enumerate(("0_saree", "1_trousers", "2_jeans")):
        (tmp_path / "garments" / name).mkdir(parents=True)
        for number in range(8):
            noise = np.random.default_rng(10 * label + number).integers(0, 255, (10, 8, 3), dtype=np.uint8)
            kind = "png" if number % 2 else "jpg"
            Image.fromarray(noise).resize((160, 200)).save(tmp_path / "garments" / name / f"{number}.{kind}")
    program = (
        "import importlib, sys\nfrom stj_core.cli import outcome\n"
        f"for module, words in {commands!r}:\n"
        "    code = outcome(importlib.import_module(module).app, words)\n"
        "    assert code == 0, (words, code)\n"
        "    assert not {'dask', 'distributed'} & set(sys.modules), words\n"
        "import stj_model.on_workers, stj_model.features, stj_model.cli.predict\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
