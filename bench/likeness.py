"""Which copies are found, and which strangers are taken for copies: STJ beside imagededup's pHash, PDQ and cleanvision.

    python -m bench.likeness [FOLDER] [--every 1] [--json FILE]

Each photograph is changed in the ways in which shops change them, and each tool is asked whether the changed one is the same or a
relative. Recall is the share that is found; false pairs are counted among all pairs of different photographs. FOLDER holds
folders of photographs (default: garments in the folder `shared` beside the checkout). Peers are optional: `pip install imagededup
pdqhash cleanvision` in an environment of their own.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from stj_images.fingerprint import fingerprint
from stj_images.likeness import KINDS, Looks, Thresholds, compare, likenesses_among
from stj_images.pixels import on_white

Picture = Image.Image
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "garments"
Z95 = 1.959964


def encode(picture: Picture, form: str = "JPEG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own options
    """A picture's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **({"quality": 85} if form == "JPEG" else {}) | options)
    return buffer.getvalue()


def scaled(picture: Picture, part: float) -> Picture:
    """The picture with a part of its width and height."""
    return picture.resize(
        (max(1, round(picture.width * part)), max(1, round(picture.height * part))), Image.Resampling.LANCZOS
    )


def watermarked(picture: Picture) -> Picture:
    """Half-transparent white text, a twentieth of the height, bottom right."""
    layer = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(layer)
    pen.text(
        picture.size, "shop.example", fill=(255, 255, 255, 128), font_size=max(6, picture.height // 20), anchor="rd"
    )
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def square(picture: Picture) -> Picture:
    """The picture on a white square."""
    side = max(picture.size)
    made = Image.new("RGB", (side, side), "white")
    made.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return made


def bordered(picture: Picture, part: float, colour: str) -> Picture:
    """The picture in a frame."""
    return ImageOps.expand(picture, round(part * max(picture.size)), colour)


def cropped(picture: Picture, part: float) -> Picture:
    """The picture without a part of its width and height, half of it on each side."""
    x, y = round(picture.width * part / 2), round(picture.height * part / 2)
    return picture.crop((x, y, picture.width - x, picture.height - y))


TRANSFORMS: dict[str, Callable[[Picture], bytes]] = {
    "resize 50 %": lambda one: encode(scaled(one, 0.5)),
    "resize 25 %": lambda one: encode(scaled(one, 0.25)),
    "JPEG 30": lambda one: encode(one, quality=30),
    "WebP 60": lambda one: encode(one, "WEBP", quality=60),
    "watermark": lambda one: encode(watermarked(one)),
    "brightness +20 %": lambda one: encode(ImageEnhance.Brightness(one).enhance(1.2)),
    "brightness -20 %": lambda one: encode(ImageEnhance.Brightness(one).enhance(0.8)),
    "contrast +25 %": lambda one: encode(ImageEnhance.Contrast(one).enhance(1.25)),
    "mirror": lambda one: encode(ImageOps.mirror(one)),
    "white border 5 %": lambda one: encode(bordered(one, 0.05, "white")),
    "black border 5 %": lambda one: encode(bordered(one, 0.05, "black")),
    "on a white square": lambda one: encode(square(one)),
    "crop 4 %": lambda one: encode(cropped(one, 0.04)),
    "crop 10 %": lambda one: encode(cropped(one, 0.1)),
}


@dataclass
class Tool:
    """A way to tell copies.

    Attributes:
        name: as the table has it.
        hash: what it keeps of a picture, given its bytes and the same decoded.
        same: whether two of those are the same picture or relatives.
        pairs: the pairs of places among many that it takes for the same.
    """

    name: str
    hash: Callable[[bytes, Picture], Any]
    same: Callable[[Any, Any], bool]
    pairs: Callable[[list[Any]], list[tuple[int, int]]]


def stj() -> Tool:
    """STJ: duplicate or related."""

    def same(one: Any, two: Any) -> bool:  # noqa: ANN401 - fingerprints
        found = compare(Looks.of_prints([one]), Looks.of_prints([two]), Thresholds())
        return KINDS[found.kind[0]] in {"duplicate", "related"}

    def pairs(prints: list[Any]) -> list[tuple[int, int]]:
        found = likenesses_among(Looks.of_prints(prints), Thresholds())
        return [(one.a, one.b) for one in found if one.kind == "duplicate"]

    return Tool("STJ", lambda data, _: fingerprint(data), same, pairs)


def by_bits(name: str, make: Callable[[bytes, Picture], np.ndarray], limit: int) -> Tool:
    """A tool whose hashes are bits and whose copies are near each other."""

    def pairs(hashes: list[np.ndarray]) -> list[tuple[int, int]]:
        bits = np.stack(hashes).astype(np.float32)
        far = bits.sum(1)[:, None] + bits.sum(1)[None] - 2 * bits @ bits.T
        return [(int(a), int(b)) for a, b in np.argwhere(np.triu(far <= limit, 1))]

    return Tool(name, make, lambda one, two: int((one != two).sum()) <= limit, pairs)


def imagededup_phash() -> Tool:
    """Imagededup's pHash at its default threshold; its packages want PyTorch, the hashing alone does not."""
    import imagededup

    for part in ("methods", "utils"):
        package = types.ModuleType(f"imagededup.{part}")
        package.__path__ = [str(Path(str(imagededup.__file__)).with_name(part))]
        sys.modules.setdefault(f"imagededup.{part}", package)
    hashing = importlib.import_module("imagededup.methods.hashing")
    hasher = hashing.PHash(verbose=False)

    def make(_: bytes, picture: Picture) -> np.ndarray:
        word = int(hasher.encode_image(image_array=np.asarray(picture)), 16)
        return np.array([word >> bit & 1 for bit in range(64)], dtype=np.uint8)

    return by_bits("imagededup pHash ≤ 10", make, 10)


def pdq() -> Tool:
    """PDQ at the threshold that its authors recommend."""
    pdqhash = importlib.import_module("pdqhash")
    return by_bits("PDQ ≤ 31", lambda _, picture: pdqhash.compute(np.asarray(picture))[0].astype(np.uint8), 31)


def cleanvision() -> Tool:
    """cleanvision: exact and near duplicates are those with equal pHash."""
    module = importlib.import_module("cleanvision.issue_managers.duplicate_issue_manager")

    def make(_: bytes, picture: Picture) -> np.ndarray:
        word = int(module.get_hash(picture, {"hash_type": "phash", "hash_size": 8}), 16)
        return np.array([word >> bit & 1 for bit in range(64)], dtype=np.uint8)

    return by_bits("cleanvision (equal pHash)", make, 0)


def upright(data: bytes) -> Picture:
    """A picture as people see it."""
    return on_white(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))).convert("RGB")


def wilson(found: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson's score)."""
    share = found / total
    middle = share + Z95**2 / (2 * total)
    half = Z95 * (share * (1 - share) / total + Z95**2 / (4 * total**2)) ** 0.5
    return (middle - half) / (1 + Z95**2 / total), (middle + half) / (1 + Z95**2 / total)


def measure(tools: list[Tool], files: list[Path]) -> dict[str, Any]:
    """Recall of each tool for each transform, and the pairs of different photographs that each takes for the same."""
    found = {tool.name: dict.fromkeys(TRANSFORMS, 0) for tool in tools}
    originals: dict[str, list[Any]] = {tool.name: [] for tool in tools}
    for number, file in enumerate(files, 1):
        data = file.read_bytes()
        picture = upright(data)
        for tool in tools:
            originals[tool.name].append(tool.hash(data, picture))
        for name, make in TRANSFORMS.items():
            copy = make(picture)
            seen = upright(copy)
            for tool in tools:
                found[tool.name][name] += tool.same(originals[tool.name][-1], tool.hash(copy, seen))
        if number % 20 == 0:
            print(f"{number} of {len(files)}", file=sys.stderr)
    pairs = {tool.name: tool.pairs(originals[tool.name]) for tool in tools}
    named = {
        name: [(str(files[a].name), str(files[b].name), files[a].parent.name != files[b].parent.name) for a, b in one]
        for name, one in pairs.items()
    }
    return {"photographs": len(files), "found": found, "pairs": named}


def show(result: dict[str, Any]) -> None:
    """Print the tables."""
    total, tools = result["photographs"], list(result["found"])
    print(f"{total} photographs; share found [95 % interval]\n")
    print(f"| copy | {' | '.join(tools)} |\n| --- |{' ---: |' * len(tools)}")
    for name in TRANSFORMS:
        cells = []
        for tool in tools:
            low, high = wilson(result["found"][tool][name], total)
            cells.append(f"{result['found'][tool][name] / total:.3f} [{low:.3f}, {high:.3f}]")
        print(f"| {name} | {' | '.join(cells)} |")
    counts = [f"{len(pairs)} ({sum(cross for *_, cross in pairs)})" for pairs in result["pairs"].values()]
    print(f"| pairs of different photographs taken for the same (of two classes) | {' | '.join(counts)} |")


def main() -> None:
    """Measure whatever tools are here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--every", type=int, default=1, help="take every n-th photograph")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(file for file in options.folder.glob("*/*") if file.is_file())[:: options.every]
    if not files:
        parser.error(f"no photographs in the folders of {options.folder}")
    tools = [stj()]
    for module, make in (("imagededup", imagededup_phash), ("pdqhash", pdq), ("cleanvision", cleanvision)):
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed: left out.", file=sys.stderr)
        else:
            tools.append(make())
    result = measure(tools, files)
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
