"""`stj weights`: the files that training starts from, where they are, and how they come here without guessing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stj_core.cli import JsonOption, emit, emit_json, make_app, say

if TYPE_CHECKING:
    from stj_model.backbones.base import Download

app = make_app("The weights that training starts from: list, fetch, add, check.")
_BY_HAND = "Fetch that address on another machine, bring the file here, and stj weights add FILE."
_SECONDS = 600.0


@dataclass(frozen=True)
class WeightsFile:
    """A weights file that STJ knows of.

    Attributes:
        name: what `--weights` takes.
        architecture: the network that it is of.
        here: whether the file is on this machine.
        size: in bytes.
        licence: of the weights.
        source: who made them.
        checksum: `md5:…` or `sha256:…`, "" if nobody stated one.
        url: where it is fetched from, "" for a file of your own.
        path: where it is, or would be.
    """

    name: str
    architecture: str
    here: bool
    size: int
    licence: str
    source: str
    checksum: str
    url: str
    path: str


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Every weights file that STJ knows: ImageNet's, and those of the folder weights/ here."""
    found = known_weights()
    if as_json:
        emit_json([asdict(one) for one in found])
        return
    if not any(one.here for one in found):
        emit(
            "No weights are here: `stj weights fetch` brings ImageNet's; for a machine without a line, fetch the file on another "
            "one, carry it over, and `stj weights add FILE`."
        )
    for one in found:
        state = "here" if one.here else "not here"
        emit(f"{one.name}  {one.architecture}, {one.size / 1e6:.0f} MB, {state}: {one.path}")
        emit(f"    licence {one.licence}; {one.source}; {one.checksum or 'no checksum stated'}")
        if one.url:
            emit(f"    {one.url}")


@app.command()
def fetch(
    seconds: Annotated[
        float, typer.Option(min=1, help="Give up after so long; the next try goes on from there.")
    ] = _SECONDS,
) -> None:
    """Fetch ImageNet's weights to where Keras and STJ look for them, and check them."""
    from stj_model.weights import download, find_weights, imagenet_path

    wanted = _imagenet()
    path = imagenet_path(wanted)
    if not path.is_file():
        say(f"{wanted.url}, {wanted.size / 1e6:.0f} MB …")
        download(wanted.url, path, seconds, _BY_HAND)
    found = find_weights("imagenet")
    emit(f"{found.path}  sha256 {found.sha256}")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A .weights.h5 file, or ImageNet's under any name.")],
    *,
    backbone: Annotated[
        str | None, typer.Option(help="The network that it is of, if no .json beside it says so.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(help="Who made it, for the record.", show_default=False)] = "",
    licence: Annotated[str, typer.Option(help="Its licence, for the record.", show_default=False)] = "",
) -> None:
    """Take in a file that was brought from elsewhere: ImageNet's goes to where Keras looks, any other into weights/."""
    from stj_model.weights import FOLDER, how_to_use

    added = add_weights(file, backbone, source, licence)
    emit(str(added))
    if added.parent == FOLDER:
        say(f"These are not the ImageNet weights that a training takes by itself. {how_to_use([added])}")


@app.command()
def check(
    weights: Annotated[
        str | None, typer.Argument(help="imagenet, or a .weights.h5 file.  [STJ_WEIGHTS, imagenet]", show_default=False)
    ] = None,
) -> None:
    """Load weights into their network, as a training would: checksum, layers and shapes must fit. Nothing is fetched."""
    from stj_core.config import read_config
    from stj_core.errors import WeightsError
    from stj_model.network import load_backbone
    from stj_model.weights import find_weights, how_to_use, imagenet_path, own_files

    spec = read_config(weights=weights).weights
    if spec == "imagenet" and not imagenet_path(_imagenet()).is_file():
        what = how_to_use(own_files()) or "stj weights fetch, or stj weights add FILE."
        raise WeightsError(f"ImageNet's weights are not at {imagenet_path(_imagenet())}: {what}")
    found = find_weights(spec)
    network = load_backbone(found, size=64)
    emit(
        f"{found.name}: {found.architecture}, {network.count_params():,} parameters, sha256 {found.sha256 or 'none: random'}"
    )


def known_weights() -> list[WeightsFile]:
    """ImageNet's weights of every network that has them, and the files of `weights/` in this folder, by name."""
    from stj_model.backbones.registry import BACKBONES
    from stj_model.weights import imagenet_path, own_files

    known = []
    for backbone in BACKBONES.values():
        if (wanted := backbone.imagenet) is not None:
            path = imagenet_path(wanted)
            here, about = path.is_file(), (wanted.licence, wanted.source, f"md5:{wanted.md5}", wanted.url)
            known.append(WeightsFile("imagenet", backbone.name, here, wanted.size, *about, str(path)))
    return known + [_described(path) for path in own_files()]


def add_weights(file: Path, backbone: str | None = None, source: str = "", licence: str = "") -> Path:
    """Copy a weights file to where STJ finds it.

    Args:
        file: the file.
        backbone: the network that it is of, where no `.json` beside it says so.
        source: who made it.
        licence: of the weights.

    Returns:
        Where it is now.

    Raises:
        StjError: it is not there, its network is unknown, or it cannot be copied.
    """
    from dataclasses import replace

    from stj_core.errors import WeightsError
    from stj_core.files import atomic_writer, explained, write_json
    from stj_model.weights import FOLDER, find_weights, imagenet_path

    if not file.is_file():
        raise WeightsError(f"There is no file {file}: name the weights file that you brought.")
    wanted = _imagenet()
    data = file.read_bytes()
    if _md5(data) == wanted.md5:
        target = imagenet_path(wanted)
    else:
        found = find_weights(str(file), backbone)
        found = replace(found, source=source or found.source, licence=licence or found.licence)
        target = FOLDER / (file.name if file.name.endswith(".weights.h5") else f"{file.stem}.weights.h5")
    with explained(WeightsError, str(target), "Free some space, or set KERAS_HOME to another folder."):
        if target.resolve() != file.resolve():
            with atomic_writer(target) as copy:
                copy.write(data)
        if target.parent == FOLDER:
            kept = ("architecture", "preprocessing", "source", "licence", "sha256")
            write_json({name: getattr(found, name) for name in kept}, target.with_suffix(".json"))
    return target


def _described(path: Path) -> WeightsFile:
    """A file of your own as its `.json` describes it; what is wrong with it stands in the place of its network."""
    from stj_core.errors import StjError
    from stj_model.weights import find_weights

    size = path.stat().st_size
    try:
        found = find_weights(str(path))
    except StjError as error:
        return WeightsFile(str(path), f"unusable ({error})", True, size, "not stated", "not stated", "", "", str(path))
    about = (found.licence, found.source, f"sha256:{found.sha256}", "")
    return WeightsFile(str(path), found.architecture, True, size, *about, str(path))


def _imagenet() -> Download:
    """The weights that `imagenet` means."""
    from stj_model.backbones.registry import DEFAULT, find_backbone

    wanted = find_backbone(DEFAULT).imagenet
    assert wanted is not None  # the default network is the one that has them
    return wanted


def _md5(data: bytes) -> str:
    import hashlib

    return hashlib.md5(data, usedforsecurity=False).hexdigest()
