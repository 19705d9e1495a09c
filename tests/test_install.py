"""The wheel, as a person has it who never saw the checkout: installed into an empty environment, tried in an empty folder."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from stj_core import __version__

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(sysconfig.get_path("purelib"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Installed:
    """An environment of its own with the wheel in it."""

    bin: Path

    def run(self, folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=800,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the checkout's, and none of the person's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STJ_", "SCRAPY_"))}
        return {**kept, "PATH": f"{self.bin}{os.pathsep}{kept['PATH']}", "TF_CPP_MIN_LOG_LEVEL": "3", **more}

    @contextmanager
    def serving(self, folder: Path, *command: str) -> Iterator[str]:
        """A server; yields the address that it prints first."""
        process = subprocess.Popen(
            [str(self.bin / command[0]), *command[1:]],
            cwd=folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make dist` builds."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def _install(dist: Path, place: Path, packages: Path) -> Installed:
    """The wheel in an environment whose other packages are those of a folder."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    (wheel,) = dist.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        str(wheel),
    ]
    subprocess.run(command, check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(f"{packages}\n")
    return Installed(place / "bin")


@pytest.fixture(scope="module")
def full(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """With every extra that this environment has."""
    return _install(dist, tmp_path_factory.mktemp("full") / "venv", HERE)


@pytest.fixture(scope="module")
def base(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """With what the wheel asks for, and no extra."""
    packages = tmp_path_factory.mktemp("packages")
    (wheel,) = dist.glob("*.whl")
    about = email.message_from_bytes(zipfile.ZipFile(wheel).read(f"stj-{__version__}.dist-info/METADATA"))
    wanted, seen = [Requirement(line) for line in about.get_all("Requires-Dist", [])], set[str]()
    wanted = [one for one in wanted if one.marker is None]
    while wanted:
        one = wanted.pop()
        try:
            found = distribution(one.name)
        except PackageNotFoundError:
            continue
        if found.name in seen:
            continue
        seen.add(found.name)
        for top in {Path(str(file)).parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(HERE / top)
        needs = [Requirement(line) for line in found.requires or []]
        wanted += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return _install(dist, tmp_path_factory.mktemp("base") / "venv", packages)


def test_a_registry_would_take_them(dist: Path):
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert sorted(path.suffix for path in dist.iterdir()) == [".gz", ".whl"]


def test_everything_that_a_command_names_travels_in_the_wheel(dist: Path):
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = subprocess.run(
        ["git", "ls-files", "stj", "stj_*"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert kept
    assert set(kept) - names == set()
    assert {name.partition("/")[0] for name in names} == {
        *{name.partition("/")[0] for name in kept},
        f"stj-{__version__}.dist-info",
    }


def test_the_sdist_makes_the_same_wheel_and_holds_the_tests(dist: Path, tmp_path: Path):
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert (source / "tests" / "test_install.py").is_file()
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path / "again"),
        str(source),
    ]
    subprocess.run(command, capture_output=True, check=True)
    (again,) = (tmp_path / "again").glob("*.whl")
    files = [{one.filename: one.CRC for one in zipfile.ZipFile(path).infolist()} for path in (wheel, again)]
    assert files[0] == files[1]


def test_the_environment_runs_the_wheel_and_not_the_checkout(full: Installed, tmp_path: Path):
    done = full.run(tmp_path, "python", "-c", "import stj, stj_core; print(stj.__file__); print(stj_core.__file__)")
    assert all(Path(line).is_relative_to(full.bin.parent) for line in done.stdout.splitlines())


def test_every_program_says_its_version(base: Installed, tmp_path: Path):
    for program in ("stj", "stj-dataset", "stj-model", "stj-web"):
        done = base.run(tmp_path, program, "--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{program} {__version__}\n", "")


def test_a_base_install_works_without_any_extra(base: Installed, tmp_path: Path, rng: Any):
    from PIL import Image

    for label in range(3):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(rng.integers(0, 256, (90, 80, 3), dtype="uint8")).save(
                tmp_path / f"pictures/{label}/{number}.png"
            )
    for command in (
        ["stj", "init"],
        ["stj-dataset", "import", "pictures"],
        ["stj-dataset", "stats"],
        ["stj-dataset", "export", "--split", "0.2"],
        ["stj-dataset", "verify"],
        ["stj", "weights", "list"],
    ):
        done = base.run(tmp_path, *command)
        assert done.returncode == 0, (command, done.stderr)
    doctor = base.run(tmp_path, "stj", "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    found = {one["name"]: one for one in json.loads(doctor.stdout)["checks"]}
    assert found["packages"]["state"] == "ok"
    assert {found[f"stj[{extra}]"]["state"] for extra in ("spiders", "model", "web", "export")} == {"lacks"}
    assert found["stj[model]"]["mend"] == "pip install 'stj[model]'"


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["stj", "demo"], "spiders,model"),
        (["stj", "studio", "--port", "0"], "web"),
        (["stj-web", "--port", "0"], "web"),
        (["python", "-m", "stj_spiders"], "spiders"),
        (["stj", "weights", "check", "random"], "model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_needs_an_extra_says_so_in_one_sentence(base: Installed, command, extra, tmp_path: Path):
    done = base.run(tmp_path, *command)
    assert done.returncode == 1, done.stderr
    assert f"pip install 'stj[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("stj-error.log"))


def test_a_crawl_needs_no_scrapy_cfg_where_the_environment_says_it(full: Installed, tmp_path: Path):
    with full.serving(tmp_path, "stj", "shop", "--per-class", "6") as origin:
        assert origin.startswith("http://127.0.0.1:")
        crawl = full.run(
            tmp_path,
            "python",
            "-m",
            "scrapy",
            "crawl",
            "amazon_sarees",
            "-a",
            f"origin={origin}",
            SCRAPY_SETTINGS_MODULE="stj_spiders.settings",
        )
    assert crawl.returncode == 0, crawl.stderr[-2000:]
    assert not (tmp_path / "scrapy.cfg").exists()
    stats = json.loads(full.run(tmp_path, "stj-dataset", "stats", "--json").stdout)
    assert stats["labels"]["0"]["kept"] >= 6


def test_the_studio_opens(full: Installed, tmp_path: Path):
    assert full.run(tmp_path, "stj", "init").returncode == 0
    with (
        full.serving(tmp_path, "stj", "studio", "--port", "0") as address,
        urllib.request.urlopen(address, timeout=30) as page,
    ):
        assert page.status == 200
        assert b"STJ" in page.read()


def test_the_demo_walks_the_whole_road_in_an_empty_folder(full: Installed, tmp_path: Path):
    done = full.run(tmp_path, "stj", "demo", "--weights", "random", "--per-class", "12", "--port", "0")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "out of fold (five folds by group, all pictures)" in done.stdout
    assert (tmp_path / "demo-out" / "drawn" / "runs" / "latest" / "report.html").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"demo-out"}
