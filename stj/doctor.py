"""`stj doctor`: what works here, what lacks, and the line that mends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import typer

from stj_core.cli import JsonOption, counted, emit, emit_json, say
from stj_core.errors import StjError

_FREE_BYTES = 2 << 30
_FREE_MEMORY = 2 << 30


class State(StrEnum):
    """How it stands with one thing: it works, it is not there (and need not be), or nothing will work before it is mended."""

    OK = "ok"
    LACKS = "lacks"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: how it stands.
        found: what was found.
        mend: the line that mends it; "" where nothing needs to be mended.
    """

    name: str
    state: State
    found: str
    mend: str = ""


def doctor(as_json: JsonOption = False) -> None:
    """Look at this machine and this folder: what works, what lacks, and the line that mends it. Changes nothing.

    Exit code 1 if something is broken; what merely lacks is for you to want or not.
    """
    findings = examine()
    broken = sum(one.state is State.BROKEN for one in findings)
    if as_json:
        emit_json({"ok": not broken, "checks": [asdict(one) for one in findings]})
    else:
        for one in findings:
            emit(f"{one.state:<7} {one.name:<16} {one.found}")
            if one.mend:
                emit(f"{'':<24} → {one.mend}")
    if broken:
        say(f"{counted(broken, 'thing')} above {'is' if broken == 1 else 'are'} broken: mend that first.")
        raise typer.Exit(1)
    if lacks := sum(one.state is State.LACKS for one in findings):
        say(
            f"Nothing is broken; {counted(lacks, 'thing')} above {'lacks' if lacks == 1 else 'lack'}, for you to want or not."
        )


def examine() -> list[Finding]:
    """Look at everything."""
    findings: list[Finding] = []
    for look in (_python, _packages, _browser, _weights, _room, _project, _settings, _catalogue):
        try:
            findings += look()
        except (StjError, OSError) as error:
            findings.append(Finding(look.__name__.strip("_"), State.BROKEN, str(error)))
    return findings


def _python() -> Iterator[Finding]:
    import platform
    from importlib.metadata import PackageNotFoundError, metadata

    from packaging.specifiers import SpecifierSet

    import stj_core

    here = Path(stj_core.__file__).parents[1]
    try:
        about = metadata("stj")
    except PackageNotFoundError:
        yield Finding("stj", State.LACKS, f"{stj_core.__version__} in {here}, not installed", f"pip install -e {here}")
        return
    state = State.OK if about["Version"] == stj_core.__version__ else State.BROKEN
    words = f"{stj_core.__version__} in {here}" + (
        "" if state is State.OK else f", but {about['Version']} is installed"
    )
    yield Finding("stj", state, words, "" if state is State.OK else "pip install --force-reinstall --no-deps stj")
    # `>=3.11,<3.14`, whatever order the package's metadata has them in.
    wanted = ",".join(sorted(map(str, SpecifierSet(about["Requires-Python"])), reverse=True))
    version = platform.python_version()
    fits = SpecifierSet(wanted).contains(version, prereleases=True)
    mend = "" if fits else f"install a Python that is {wanted}"
    yield Finding("python", State.OK if fits else State.BROKEN, f"{version}, wanted {wanted}", mend)


def _packages() -> Iterator[Finding]:
    """What STJ needs, and each extra: there, too old, or not there."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    from stj_core.extras import EXTRAS

    try:
        wanted = [Requirement(line) for line in requires("stj") or []]
    except PackageNotFoundError:
        return
    for extra in ("", *EXTRAS):
        mine = [one for one in wanted if one.name != "stj" and _belongs(one.marker, extra)]
        lacking = sorted(words for words in map(_lacks, mine) if words)
        name = f"stj[{extra}]" if extra else "packages"
        if not lacking:
            yield Finding(name, State.OK, f"all {len(mine)} there")
            continue
        state = State.LACKS if extra else State.BROKEN
        yield Finding(name, state, ", ".join(lacking), f"pip install 'stj[{extra}]'" if extra else "pip install stj")


def _belongs(marker: object, extra: str) -> bool:
    """Whether a requirement with this marker is of `extra`; "" are those that always hold."""
    if marker is None:
        return not extra
    evaluate: Callable[[dict[str, str]], bool] = marker.evaluate  # type: ignore[attr-defined]  # packaging's Marker
    return evaluate({"extra": extra}) and (not extra or not evaluate({"extra": ""}))


def _lacks(requirement: object) -> str:
    """What is wrong with one package; "" if nothing is."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    assert isinstance(requirement, Requirement)
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"no {requirement.name}"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"{requirement.name} {found}, wanted {requirement.specifier}"


def _browser() -> Iterator[Finding]:
    from stj_core.extras import is_installed
    from stj_spiders.rendering.browser import launch_options

    found = launch_options().get("executable_path")
    home = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    own = next(iter(sorted(home.glob("chromium*"))), None) if is_installed("browser") else None
    if found or own:
        yield Finding("browser", State.OK, str(found or own))
    else:
        words = "no Chromium for listings that a script makes"
        yield Finding("browser", State.LACKS, words, "apt-get install chromium, or playwright install chromium")


def _weights() -> Iterator[Finding]:
    from stj.weights import known_weights
    from stj_core.config import read_config
    from stj_model.weights import find_weights, how_to_use, own_files

    spec = read_config().weights
    if spec == "imagenet" and not any(one.here and one.name == "imagenet" for one in known_weights()):
        mend = how_to_use(own_files()) or "stj weights fetch, or stj weights add FILE"
        yield Finding("weights", State.LACKS, "ImageNet's are not here", mend)
        return
    found = find_weights(spec)
    yield Finding("weights", State.OK, f"{spec}: {found.path or 'drawn at random, for a try of the road only'}")


def _room() -> Iterator[Finding]:
    """This folder, its disk and the memory."""
    import shutil

    import psutil

    here = Path.cwd()
    if not os.access(here, os.W_OK):
        yield Finding("folder", State.BROKEN, f"{here} cannot be written", "go to a folder of your own")
        return
    free = shutil.disk_usage(here).free
    enough = free >= _FREE_BYTES
    mend = "" if enough else "free some space: a full install and a demo take about 4 GB"
    yield Finding("disk", State.OK if enough else State.LACKS, f"{free / 1e9:.1f} GB free at {here}", mend)
    memory = psutil.virtual_memory()
    enough = memory.available >= _FREE_MEMORY
    words = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free, {counted(os.cpu_count() or 1, 'core')}"
    yield Finding("memory", State.OK if enough else State.LACKS, words, "" if enough else "a training needs about 2 GB")


def _project() -> Iterator[Finding]:
    """Whether `scrapy crawl` finds our spiders from here."""
    named = os.environ.get("SCRAPY_SETTINGS_MODULE")
    above = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "scrapy.cfg").is_file()), None)
    if named:
        state = State.OK if named == "stj_spiders.settings" else State.LACKS
        mend = "" if state is State.OK else "export SCRAPY_SETTINGS_MODULE=stj_spiders.settings"
        yield Finding("scrapy project", state, f"SCRAPY_SETTINGS_MODULE={named}", mend)
    elif above is not None:
        yield Finding("scrapy project", State.OK, str(above / "scrapy.cfg"))
    else:
        yield Finding("scrapy project", State.LACKS, "no scrapy.cfg here: `scrapy crawl` finds no spider", "stj init")


def _settings() -> Iterator[Finding]:
    from stj_core.config import read_config
    from stj_core.labels import labels_path, load_labels

    config = read_config()
    classes = ", ".join(one.slug for one in load_labels(config.labels))
    yield Finding("classes", State.OK, f"{classes}, from {labels_path(config.labels)}")
    for name, folder in (("runs", config.runs), ("cache", config.cache)):
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
            mend = f"chmod u+rwx {folder}, or set STJ_{name.upper()}"
            yield Finding(name, State.BROKEN, f"{folder} is no folder that can be written", mend)


def _catalogue() -> Iterator[Finding]:
    """The catalogue, and whether the image store holds what it names."""
    from stj_catalog.probe import probe_catalog
    from stj_core.config import read_config
    from stj_images.store import open_store

    config = read_config()
    found = probe_catalog(config.catalog_url)
    if found is None:
        yield Finding(
            "catalogue",
            State.LACKS,
            f"none yet at {config.catalog}",
            "scrapy crawl amazon_sarees, or stj-dataset import",
        )
        return
    words = f"{config.catalog}: {counted(found.pictures, 'picture')}, schema {found.revision}"
    yield Finding("catalogue", State.OK, words + ("" if found.is_current else ", migrated when it is next opened"))
    store = open_store(config.images)
    if "://" in config.images:
        yield Finding("image store", State.OK, f"{config.images}: not looked into; stj-dataset verify does")
        return
    gone = sum((path := store.local(file)) is None or not path.is_file() for file in found.files)
    if gone:
        words = f"{gone} of the first {len(found.files)} files that the catalogue names are not in {config.images}"
        mend = "mount it or set STJ_IMAGES; stj-dataset verify says what is missing"
        yield Finding("image store", State.BROKEN, words, mend)
    else:
        yield Finding("image store", State.OK, f"{config.images}: {counted(len(found.files), 'file')} looked at")
