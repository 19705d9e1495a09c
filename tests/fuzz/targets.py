"""What is fuzzed: for each reader of foreign bytes some good inputs, how it is asked, and the errors that it may raise."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from stj_core.class_folders import class_of
from stj_core.errors import DatasetError, ModelError, PictureError, UsageError
from stj_core.labels import DEFAULT_LABELS, load_labels
from stj_core.shops.amazon import asin_of, fold_image_url, sized_image_url
from stj_dataset.manifest import COLUMNS, read_labels, read_manifest, read_settings
from stj_images.decode import decode, shrink
from stj_images.fingerprint import fingerprint
from stj_model.run_dir import open_run
from stj_spiders.politeness import spell
from stj_spiders.robots import read_rules
from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import judge, promises_script
from tests.images.pictures import encode, photo

URL = "https://www.amazon.in/s?rh=n%3A1968256031"
_PAGES = Path(__file__).resolve().parents[1] / "fixtures" / "pages"


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes."""

    inputs: Callable[[], list[bytes]]
    ask: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()


def _text(data: bytes) -> str:
    """Bytes as the text that a reader may be handed: with lone surrogates, as a page's decoder leaves them."""
    return data.decode("utf-8", "surrogateescape")


def _parse(data: bytes) -> None:
    text = _text(data)
    listing = parse_listing(text, URL)
    parse_product(text, URL)
    judge(text, URL)
    promises_script(text)
    # Whatever a parser gives must be storable.
    json.dumps(
        [vars(card) if hasattr(card, "__dict__") else repr(card) for card in listing.cards], default=str
    ).encode()


def _fold(data: bytes) -> None:
    address = _text(data)
    folded = fold_image_url(address)
    assert fold_image_url(folded) == folded
    assert fold_image_url(sized_image_url(address, "_SL640_")) == folded
    asin_of(address)


def _rules(data: bytes) -> None:
    rules = read_rules(200, data)
    rules.refusal("https://shop.test/s?rh=n%3A1968256031&page=2")
    # Infinite is a length of time, which ends the crawl with a sentence; "not a number" would be none.
    assert rules.delay() >= 0
    spell(rules.delay())


def _as_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def ask(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(data)
            return read(file)

    return ask


def _run_file(name: str) -> Callable[[bytes], object]:
    """A run folder of which one file is the input."""

    def read(file: Path) -> None:
        folder = file.parent / "run"
        folder.mkdir()
        for other, content in _RUN.items():
            (folder / other).write_bytes(content)
        file.replace(folder / name)
        run = open_run(folder, file.parent)
        for ask in (lambda: run.document("metrics.json"), lambda: run.labels, lambda: run.config, lambda: run.history):
            ask()

    return _as_file("input", read)


_RUN = {
    "config.json": b'{"recipe": "default", "input": {"size": 224, "resample": "bilinear"}, "digest": "x"}',
    "labels.json": b'{"0": "Saree", "1": "Trousers"}',
    "metrics.json": b'{"figures": {"test": {"n": 3, "correct": 2, "accuracy": 0.66, "interval": [0.2, 0.9]}}, "cost": {}}',
    "history.csv": b"epoch,loss,accuracy,val_loss,val_accuracy\n1,0.5,0.9,0.4,0.9\n",
    "model.keras": b"PK",
}


@cache
def pages() -> tuple[bytes, ...]:
    """The golden pages."""
    return tuple(path.read_bytes() for path in sorted(_PAGES.glob("*/input.html")))


@cache
def pictures() -> tuple[bytes, ...]:
    """A small picture of every format and some odd modes."""
    one = photo(1, (40, 50))
    made = [encode(one, form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")]
    made += [
        encode(one, "JPEG", progressive=True),
        encode(one.convert("P"), "PNG"),
        encode(one.convert("CMYK"), "JPEG"),
    ]
    made += [encode(one.convert("I;16"), "PNG"), encode(one.convert("F"), "TIFF"), encode(one.convert("RGBA"), "WEBP")]
    turned = Image.Exif()
    turned[0x0112] = 6
    return (*made, encode(one, "JPEG", exif=turned.tobytes()))


def _manifest() -> bytes:
    line = ["train/0/a.jpg", "0", "train", "g1", "a" * 64, "b" * 64, "0" * 16, "300", "400", *[""] * (len(COLUMNS) - 9)]
    return (",".join(COLUMNS) + "\n" + ",".join(line) + "\n").encode()


def _class_name(data: bytes) -> None:
    class_of(_text(data), {0: ("saree", "Saree"), 1: ("t-shirt", "T Shirt"), 10: ("kutta", "कुत्ता")})


def _shrink(data: bytes) -> None:
    stream = io.BytesIO()
    shrink(data, 64).save(stream, "JPEG")


TARGETS = {
    "parsers": Target(lambda: list(pages()), _parse),
    "folding": Target(
        lambda: [
            b"https://m.media-amazon.com/images/I/71abc._AC_UL320_.jpg",
            b"https://m.media-amazon.com/images/W/MEDIAX_1-T2/images/I/71a%2Bc._SX679_.jpg",
            b"https://m.media-amazon.com/images/I/A13usaonutL._CLa%7C2140,2000%7C71x.png%7C0,0,2140,2000+0.0,0.0_AC_UL320_.png",
            b"/sspa/click?url=%2Fdp%2FB012345678%2Fref",
        ],
        _fold,
    ),
    "robots": Target(
        lambda: [
            b"User-agent: *\nDisallow: /s?*page=\nAllow: /s$\nCrawl-delay: 5\nSitemap: /x\n\nUser-agent: STJ\nDisallow:\n"
        ],
        _rules,
    ),
    "labels": Target(lambda: [DEFAULT_LABELS.read_bytes()], _as_file("labels.toml", load_labels), (UsageError,)),
    "class folders": Target(
        lambda: [b"0_saree", b"T Shirt", "कुत्ता".encode(), b"2-jeans (copy)"], _class_name, (UsageError,)
    ),
    "manifest": Target(lambda: [_manifest()], _as_file("manifest.csv", read_manifest), (DatasetError,)),
    "dataset settings": Target(
        lambda: [b'{"made_by": "stj-dataset", "digest": "x", "settings": {"format": "folders"}}'],
        _as_file("dataset.json", lambda file: read_settings(file.parent)),
        (DatasetError,),
    ),
    "dataset labels": Target(
        lambda: [b'{"0": "Saree", "1": "Trousers"}'],
        _as_file("labels.json", lambda file: read_labels(file.parent)),
        (DatasetError,),
    ),
    "run": Target(lambda: [_RUN["config.json"]], _run_file("config.json"), (ModelError, DatasetError)),
    "run metrics": Target(lambda: [_RUN["metrics.json"]], _run_file("metrics.json"), (ModelError, DatasetError)),
    "run history": Target(lambda: [_RUN["history.csv"]], _run_file("history.csv"), (ModelError, DatasetError)),
    "fingerprint": Target(lambda: list(pictures()), fingerprint, (PictureError,)),
    "decode": Target(lambda: list(pictures()), decode, (PictureError,)),
    "thumbnails": Target(lambda: list(pictures()), _shrink, (PictureError,)),
}
