"""The one list of picture types: what is read, under which endings, and what a shop may serve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureType:
    """A file format of pictures.

    Attributes:
        name: Pillow's name of it.
        extension: the ending that the image store gives it.
        media_type: what an HTTP answer calls it.
        suffixes: endings that people's files of it have, in lower case.
        served: whether a shop's image server may answer with it. A decoder that is never called cannot be attacked.
    """

    name: str
    extension: str
    media_type: str
    suffixes: tuple[str, ...]
    served: bool = False


PICTURE_TYPES = (
    PictureType(
        "JPEG",
        "jpg",
        "image/jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
        served=True,
    ),
    PictureType("PNG", "png", "image/png", (".png", ".apng"), served=True),
    PictureType("WEBP", "webp", "image/webp", (".webp",), served=True),
    PictureType("GIF", "gif", "image/gif", (".gif",), served=True),
    PictureType("AVIF", "avif", "image/avif", (".avif", ".avifs"), served=True),
    PictureType("BMP", "bmp", "image/bmp", (".bmp", ".dib")),
    PictureType("TIFF", "tiff", "image/tiff", (".tif", ".tiff")),
    PictureType("PPM", "ppm", "image/x-portable-anymap", (".ppm", ".pgm", ".pbm", ".pnm")),
    PictureType("HEIF", "heic", "image/heic", (".heic", ".heif", ".hif")),
)
FORMATS = tuple(one.name for one in PICTURE_TYPES)
SERVED = tuple(one.name for one in PICTURE_TYPES if one.served)
EXTENSIONS = {one.name: one.extension for one in PICTURE_TYPES}
MEDIA_TYPES = {one.extension: one.media_type for one in PICTURE_TYPES}
"""By the endings that the image store gives."""
SUFFIXES = frozenset(suffix for one in PICTURE_TYPES for suffix in one.suffixes)
UNREAD_SUFFIXES = frozenset(
    [
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxl",
        ".ico",
        ".cur",
        ".tga",
        ".dds",
        ".pcx",
        ".sgi",
        ".psd",
        ".xcf",
        ".svg",
        ".svgz",
        ".eps",
        ".ai",
        ".pdf",
        ".exr",
        ".hdr",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
        ".raw",
    ]
)
"""Endings of pictures that nothing here reads."""
ARCHIVE_SUFFIXES = frozenset([".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst"])
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    *(b"P%d\n" % n for n in range(1, 7)),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_BRANDS = (b"avif", b"avis", *_HEIF_BRANDS)


def is_picture_signature(head: bytes) -> bool:
    """Whether a file that begins with these bytes (16 or more) may be a picture, whatever its name says."""
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head.startswith(_SIGNATURES)


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a HEIC picture, which Pillow alone cannot read."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
