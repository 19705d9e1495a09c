"""Where the backbone's weights come from: ImageNet's, a file, or none at all, always with source, licence and sha256."""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

from stj_core.errors import UsageError, WeightsError
from stj_core.files import file_sha256
from stj_model.backbones.base import Download, Scaling
from stj_model.backbones.registry import BACKBONES, DEFAULT, find_backbone
from stj_model.backend import keras_home
from stj_model.damage import PARSER_ERRORS, reason

DOWNLOAD_SECONDS = 30.0
FOLDER = Path("weights")
"""Where files of one's own lie, below the folder that a command is given in."""
_ALTERNATIVES = (
    "Give a file (--weights FILE.weights.h5) or train without any (--weights random), or set STJ_WEIGHTS to either; "
    "stj weights list says which file to bring from another machine."
)
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Weights:
    """A backbone's weights before they are loaded.

    `path` is None for random ones, whose `sha256` is of the arrays once they are drawn.
    """

    name: str
    architecture: str
    preprocessing: Scaling
    source: str
    licence: str
    sha256: str = ""
    path: Path | None = None

    @property
    def is_random(self) -> bool:
        """Whether nothing was learned before."""
        return self.path is None

    def describe(self) -> dict[str, Any]:
        """The record that a run keeps."""
        return {**asdict(self), "path": None if self.path is None else str(self.path)}


def find_weights(spec: str, architecture: str | None = None) -> Weights:
    """Find the weights called `spec`: "imagenet", "random" or a file.

    Args:
        spec: as in `--weights` or STJ_WEIGHTS.
        architecture: what the file's weights are of, needed when no `.json` lies beside it.

    Raises:
        WeightsError: they cannot be had, or are not what the file beside them says.
        UsageError: the architecture is unknown or contradicts the weights.
    """
    backbone = find_backbone(architecture or DEFAULT)
    if spec == "random":
        return Weights("random", backbone.name, backbone.scaling, "none: drawn at random", "none needed")
    if spec == "imagenet":
        if backbone.imagenet is None:
            known = " or ".join(name for name, one in BACKBONES.items() if one.imagenet)
            raise UsageError(
                f"STJ knows ImageNet weights of {known} only, not of {backbone.name}: leave --backbone out, "
                "or give a file (--weights FILE.weights.h5)."
            )
        path = imagenet_path(backbone.imagenet)
        _fetch_imagenet(backbone.imagenet, path)
        about = backbone.imagenet.source, backbone.imagenet.licence
        return Weights("imagenet", backbone.name, backbone.scaling, *about, file_sha256(path), path)
    return _from_file(Path(spec), architecture)


def own_files() -> list[Path]:
    """The weights files of the folder `weights/` here, by name."""
    return sorted(FOLDER.glob("*.h5"))


def how_to_use(files: list[Path]) -> str:
    """How files of one's own are named to a command: none of them is ever taken for ImageNet's without a word.

    The first that a training would take is named; where it would take none, why not the first. Empty for no files.
    """
    usable, why = [], ""
    for one in files:
        try:
            _from_file(one, None)
            usable.append(shlex.quote(str(one)))
        except (WeightsError, UsageError) as error:
            why = why or f"{one} is here but cannot be used: {error}"
    if not usable:
        return why
    more = f" (and {len(usable) - 1} more)" if len(usable) > 1 else ""
    return f"{usable[0]}{more} is here: use it with --weights {usable[0]}, or set STJ_WEIGHTS={usable[0]}."


def imagenet_path(download_: Download) -> Path:
    """Where Keras keeps its own download, so that a machine that has it fetches nothing."""
    return keras_home() / "models" / download_.url.rsplit("/", 1)[1]


def _fetch_imagenet(wanted: Download, path: Path) -> None:
    if not path.is_file():
        download(wanted.url, path, DOWNLOAD_SECONDS)
    if _md5(path) != wanted.md5:
        raise WeightsError(
            f"The ImageNet weights at {path} are damaged: delete that file and try again. "
            f"{how_to_use(own_files()) or _ALTERNATIVES}"
        )


def _from_file(path: Path, architecture: str | None) -> Weights:
    if not path.is_file():
        raise WeightsError(
            f"There is no weights file {path}: give imagenet, random, or the path of a .weights.h5 file."
        )
    if path.suffix != ".h5":
        raise WeightsError(f"{path} is no weights file: its name must end in .weights.h5.")
    sha256 = file_sha256(path)
    beside = path.with_suffix(".json")
    if not beside.is_file():
        if architecture is None:
            raise WeightsError(
                f"{path.name} has no {beside.name} beside it, so its network is unknown: "
                f"say {' or '.join(f'--backbone {name}' for name in BACKBONES)}."
            )
        scaling = find_backbone(architecture).scaling
        return Weights(str(path), architecture, scaling, f"file {path.name}", "not stated", sha256, path)
    about = _read_about(beside)
    if architecture not in {None, about["architecture"]}:
        raise UsageError(
            f"{beside} says {about['architecture']}, --backbone says {architecture}: leave the option out."
        )
    if about["sha256"] not in {"", sha256}:
        raise WeightsError(
            f"{path} is not the file that {beside.name} describes: its sha256 is {sha256}, not {about['sha256']}."
        )
    return Weights(
        str(path),
        about["architecture"],
        cast("Scaling", about["preprocessing"]),
        about["source"],
        about["licence"],
        sha256,
        path,
    )


def _read_about(path: Path) -> dict[str, str]:
    """Read the small file beside the weights: architecture, preprocessing, source, licence, sha256."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except PARSER_ERRORS as error:
        raise WeightsError(f"Cannot read {path}: {reason(error)}.") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path} should hold a JSON object, got a {type(document).__name__}.")
    architecture = str(document.get("architecture"))
    usual = BACKBONES[architecture].scaling if architecture in BACKBONES else ""
    about = {
        "architecture": architecture,
        "preprocessing": str(document.get("preprocessing", usual)),
        "source": str(document.get("source", "not stated")),
        "licence": str(document.get("licence", "not stated")),
        "sha256": str(document.get("sha256", "")).lower(),
    }
    for name, known in (("architecture", tuple(BACKBONES)), ("preprocessing", get_args(Scaling))):
        if about[name] not in known:
            raise WeightsError(f"{path} has the {name} {about[name]!r}: STJ knows {', '.join(known)}.")
    return about


def download(url: str, path: Path, seconds: float, advice: str = "") -> None:
    """Fetch `url` to `path` within `seconds`, going on from what an earlier try left beside it.

    Everything, name look-up included, happens in a daemon thread, so that nothing can hold the command longer.

    Args:
        url: where it is.
        path: where it is wanted.
        seconds: so long at most.
        advice: what to do where it cannot be had, for the sentence; by default to name other weights.

    Raises:
        WeightsError: it could not be had in time.
    """
    part = path.with_name(path.name + ".part")
    failure: list[BaseException] = []
    stop = threading.Event()

    def fetch() -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part, seconds, stop)
            part.replace(path)
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            failure.append(error)

    worker = threading.Thread(target=fetch, daemon=True, name="weights")
    worker.start()
    worker.join(seconds)
    in_time = not worker.is_alive()
    stop.set()
    if in_time and not failure:
        return
    so_far = part.stat().st_size if part.is_file() else 0
    kept = f" ({so_far / 1e6:.0f} MB are kept, the same command goes on from there)" if so_far else ""
    why = _reason(failure[0]) if failure else f"not done after {seconds:.0f} s"
    raise WeightsError(
        f"The ImageNet weights cannot be had: {why}{kept}. {advice or how_to_use(own_files()) or _ALTERNATIVES}"
    )


def _fetch(url: str, part: Path, seconds: float, stop: threading.Event) -> None:
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 - https above
    with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 - https above
        resumed = answer.status == 206
        with part.open("ab" if resumed else "wb", buffering=0) as stream:
            deadline = time.monotonic() + seconds
            while not stop.is_set() and (block := answer.read1(_BLOCK)):
                stream.write(block)
                if time.monotonic() > deadline:
                    break
        expected = int(answer.headers.get("Content-Length") or 0) + (start if resumed else 0)
    if part.stat().st_size < expected:
        raise TimeoutError(f"not done after {seconds:.0f} s")


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()
