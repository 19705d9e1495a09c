"""A pair's likeness depends on the pair alone, and copies are told from look-alikes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from stj_images.fingerprint import fingerprint
from stj_images.likeness import (
    KINDS,
    MIRROR,
    WAYS,
    Likeness,
    Looks,
    LooksIndex,
    Thresholds,
    compare,
    likenesses_among,
    likenesses_of,
)
from stj_images.pixels import on_white
from tests.catalog.crawling import print_of
from tests.catalog.pictures import draw, encode


def looks(*prints):
    return Looks.of_prints(prints)


def likeness(one, two, thresholds=None):
    found = list(likenesses_among(looks(one, two), thresholds or Thresholds()))
    return (found[0].kind, found[0].way) if found else None


@pytest.mark.parametrize(
    ("near", "wide", "expected"),
    [
        (0, 0, "duplicate"),
        (8, 22, "duplicate"),
        (9, 22, "related"),
        (8, 23, "related"),
        (10, 32, "related"),
        (10, 33, "weak"),
        (0, 48, "weak"),
        (0, 49, None),
        (11, 0, None),
    ],
)
def test_both_hashes_must_agree(near, wide, expected):
    assert likeness(print_of(1), print_of(1, near=near, wide=wide)) == (expected and (expected, "plain"))


def test_a_mirrored_copy_is_a_relative():
    assert likeness(print_of(1), print_of(1, mirrored=True)) == ("related", "mirrored")


def test_a_bordered_copy_is_a_relative():
    assert likeness(print_of(1), print_of(1, bordered=True)) == ("related", "trimmed")


def test_the_same_bytes_are_exact():
    (found,) = likenesses_among(looks(print_of(1), print_of(1)), Thresholds())
    assert found == Likeness(0, 1, "duplicate", "plain", exact=True, distance=0, distance256=0)


def test_the_rule_is_written_as_people_read_it():
    assert Thresholds(7, 20, 9, 30).rule == "duplicate 7/20, related 9/30"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12), st.integers(0, 50)), min_size=2, max_size=8))
def test_pairs_are_found_whoever_comes_first(recipe):
    prints = [print_of(seed, near=near, wide=wide, mirrored=wide % 3 == 1) for seed, near, wide in recipe]
    everyone = looks(*prints)
    expected = {(one.a, one.b): one for one in likenesses_among(everyone, Thresholds())}
    index, found = LooksIndex(), {}
    for place in range(len(prints)):
        newcomer = everyone.take(np.array([place]))
        pairs = index.candidates(newcomer, Thresholds().reach)
        others = everyone.take(np.array([other for _, other in pairs], dtype=int))
        repeated = newcomer.take(np.zeros(len(pairs), dtype=int))
        found |= {(one.a, one.b): one for one in likenesses_of(repeated, others, Thresholds())}
        index.add(newcomer.ids, newcomer.plain, newcomer.trimmed)
    assert found == expected


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2), st.integers(0, 2**32))
def test_a_comparison_is_symmetric(words, seed):
    rng = np.random.default_rng(seed)
    one, two = (
        Looks(np.array([number]), *np.array([[word], [word]], dtype=np.uint64), *rng.integers(0, 2**64, (4, 1, 4), np.uint64))
        for number, word in enumerate(words)
    )  # fmt: skip
    loose = Thresholds(64, 256, 64, 256, 256)
    there, back = compare(one, two, loose), compare(two, one, loose)
    for name in ("kind", "way", "distance", "distance256", "exact"):
        assert getattr(there, name).tolist() == getattr(back, name).tolist()


def test_words_and_places_belong_together():
    assert (KINDS[0], KINDS[-1], WAYS[1]) == ("duplicate", "unlike", "mirrored")
    assert int("01" * 32, 2) == MIRROR


def jpeg_again(picture, quality=85):
    return encode(picture.convert("RGB"), quality=quality)


def watermarked(picture):
    layer = Image.new("RGBA", picture.size)
    ImageDraw.Draw(layer).text(
        (picture.width, picture.height), "shop.test", fill=(255, 255, 255, 128), font_size=picture.height // 20, anchor="rd"
    )  # fmt: skip
    return Image.alpha_composite(picture.convert("RGBA"), layer)


TRANSFORMS = {
    "half": lambda one: jpeg_again(one.resize((one.width // 2, one.height // 2))),
    "quarter": lambda one: jpeg_again(one.resize((one.width // 4, one.height // 4))),
    "jpeg 30": lambda one: jpeg_again(one, 30),
    "webp 60": lambda one: encode(one, "WEBP", quality=60),
    "watermark": lambda one: jpeg_again(watermarked(one)),
    "darker": lambda one: jpeg_again(ImageEnhance.Brightness(one).enhance(0.8)),
    "contrast": lambda one: jpeg_again(ImageEnhance.Contrast(one).enhance(1.25)),
    "mirror": lambda one: jpeg_again(ImageOps.mirror(one)),
    "black border": lambda one: jpeg_again(ImageOps.expand(one, 40, "black")),
    "white border": lambda one: jpeg_again(ImageOps.expand(one, 60, "white")),
}


@pytest.mark.medium
@pytest.mark.parametrize("name", TRANSFORMS)
def test_copies_are_found(name):
    found = []
    for seed in range(8):
        original = draw(seed, (600, 800))
        one, copy = fingerprint(encode(original, quality=92)), fingerprint(TRANSFORMS[name](original))
        alike = likeness(one, copy)
        found.append(alike is not None and alike[0] in {"duplicate", "related"})
    # A border next to an edge of its own colour takes some of the picture with it.
    assert sum(found) >= (6 if "border" in name else 8)


def test_drawn_strangers_are_not_alike():
    prints = [fingerprint(encode(draw(seed))) for seed in range(30)]
    assert list(likenesses_among(looks(*prints), Thresholds())) == []


def test_real_copies_are_found_and_real_strangers_are_not_duplicates(shared):
    files = sorted((shared / "garments").glob("[0-9]*/*"))[::12]
    originals = [fingerprint(file.read_bytes()) for file in files]
    pairs = list(likenesses_among(looks(*originals), Thresholds()))
    assert [one for one in pairs if one.kind == "duplicate"] == []
    for file, one in list(zip(files, originals, strict=True))[::8]:
        picture = on_white(Image.open(io.BytesIO(file.read_bytes()))).convert("RGB")
        assert likeness(one, fingerprint(TRANSFORMS["half"](picture))) is not None
