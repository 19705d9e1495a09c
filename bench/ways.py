"""One way to fingerprint pictures, run alone in a process, in whichever environment has its package: `python ways.py WAY FOLDER`.

Reads nothing of STJ's but for its own way, so that a peer's environment needs the peer alone.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path


def stj() -> Callable[[bytes], object]:
    """STJ: sha256, six hashes."""
    from stj_images.fingerprint import fingerprint

    return fingerprint


def imagehash_one() -> Callable[[bytes], object]:
    """imagehash: one pHash of 64 bits, of the whole decoded picture."""
    import imagehash
    from PIL import Image

    return lambda data: imagehash.phash(Image.open(io.BytesIO(data)))


def imagehash_four() -> Callable[[bytes], object]:
    """imagehash: what STJ keeps of a picture without borders, four hashes of it and of its mirror image, and sha256."""
    import hashlib

    import imagehash
    from PIL import Image, ImageOps

    def ask(data: bytes) -> object:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        both = picture, ImageOps.mirror(picture)
        return hashlib.sha256(data).hexdigest(), [imagehash.phash(one, side) for one in both for side in (8, 16)]

    return ask


def pdq() -> Callable[[bytes], object]:
    """PDQ: one hash of 256 bits."""
    import numpy as np
    import pdqhash
    from PIL import Image

    return lambda data: pdqhash.compute(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def imagededup() -> Callable[[bytes], object]:
    """The pHash of imagededup; its packages want PyTorch, the hashing alone does not."""
    import importlib.util
    import types

    import numpy as np
    from PIL import Image

    found = importlib.util.find_spec("imagededup")
    assert found is not None
    assert found.origin is not None
    for part in ("methods", "utils"):
        package = types.ModuleType(f"imagededup.{part}")
        package.__path__ = [str(Path(found.origin).with_name(part))]
        sys.modules.setdefault(f"imagededup.{part}", package)
    hasher = importlib.import_module("imagededup.methods.hashing").PHash(verbose=False)
    return lambda data: hasher.encode_image(image_array=np.asarray(Image.open(io.BytesIO(data))))


def decode() -> Callable[[bytes], object]:
    """Pillow: decoding to grey alone, at the scale that STJ decodes at; nothing can be cheaper that looks at the pixels."""
    from PIL import Image

    def ask(data: bytes) -> object:
        picture = Image.open(io.BytesIO(data))
        picture.draft("L", (256, 256))
        return picture.load()

    return ask


WAYS = {one.__name__: one for one in (stj, imagehash_one, imagehash_four, pdq, imagededup, decode)}

if __name__ == "__main__":
    ask = WAYS[sys.argv[1]]()
    for file in sorted(Path(sys.argv[2]).iterdir()):
        ask(file.read_bytes())
