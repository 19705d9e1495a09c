"""A picture's keypoints: distinct spots and what their surroundings look like (SIFT), which a crop keeps.

D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60 (2004); descriptors are compared by their square
roots, after R. Arandjelović and A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stj_core.errors import CatalogError
from stj_images.decode import open_picture
from stj_images.fingerprint import trimmed, upright_grey

if TYPE_CHECKING:
    import cv2

SIDE = 384
MOST = 300
# Garments on studio white have little contrast: at OpenCV's own 0.04 plain trousers have three keypoints.
_CONTRAST = 0.01


@dataclass(frozen=True, slots=True)
class Keypoints:
    """The keypoints of one picture, the strongest few hundred.

    Attributes:
        width: pixels of the small picture that they were found in.
        height: pixels of it.
        places: x and y in it, float32[n, 2].
        descriptors: square roots of SIFT's numbers, whole, a length of about 255: uint8[n, 128].
    """

    width: int
    height: int
    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def opencv() -> ModuleType:
    """OpenCV, or a sentence about where to get it.

    Raises:
        CatalogError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise CatalogError(
            f"Looking for crops needs OpenCV, and it cannot be imported ({error}): pip install 'stj[crops]'."
        ) from error
    return cv2


def small_grey(data: bytes) -> NDArray[np.uint8]:
    """The upright picture in grey without uniform borders, its longer side at most 384 pixels, uint8[height, width].

    Raises:
        PictureError: the bytes are no whole picture.
    """
    with open_picture(data) as picture:
        grey = trimmed(upright_grey(picture, data))
    scale = SIDE / max(grey.size)
    if scale < 1:
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(grey)


def find_keypoints(data: bytes) -> Keypoints:
    """The keypoints of a picture's bytes.

    Raises:
        PictureError: the bytes are no whole picture.
        CatalogError: OpenCV is not installed.
    """
    found: cv2.SIFT = opencv().SIFT_create(nfeatures=MOST, contrastThreshold=_CONTRAST)
    grey = small_grey(data)
    spots, raw = found.detectAndCompute(grey, None)
    height, width = grey.shape
    if raw is None or not len(spots):
        return Keypoints(width, height, np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))
    total = np.maximum(raw.sum(axis=1, keepdims=True), 1)
    descriptors = np.rint(255 * np.sqrt(raw / total)).astype(np.uint8)
    return Keypoints(width, height, np.array([spot.pt for spot in spots], np.float32), descriptors)
