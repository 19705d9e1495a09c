"""The shop plants what it lists, and nothing else."""

from __future__ import annotations

import io
from collections import Counter

import imagehash
import pytest
from PIL import Image

from stj_core.errors import UsageError
from stj_core.labels import DEFAULT_LABELS, load_labels
from stj_demo.products import Case
from stj_demo.stock import fill

PER_LISTING = {
    Case.EXACT_COPY: 4,
    Case.RESIZED_COPY: 4,
    Case.SPONSORED: 3,
    Case.SPONSORED_ELSEWHERE_ORGANIC: 2,
    Case.NO_PICTURE: 2,
    Case.TRUNCATED: 2,
    Case.HTML: 2,
    Case.TITLE_MISMATCH: 3,
    Case.TINY: 2,
    Case.PLACEHOLDER: 1,
}


def planted(shop, case: Case) -> list:
    return [one for one in shop.planted if one.case is case]


def test_a_handful_of_every_case_in_every_listing(shop):
    assert Counter(one.case for one in shop.planted) == {
        **{case: 3 * count for case, count in PER_LISTING.items()},
        Case.TWO_CATEGORIES: 3,
    }


def test_exact_copies_have_the_same_bytes_under_two_addresses(shop):
    for copy in planted(shop, Case.EXACT_COPY):
        one, other = copy.pictures
        assert one != other
        assert shop.image_bytes(one) == shop.image_bytes(other)


def test_resized_copies_are_the_same_picture_in_other_bytes(shop):
    for copy in planted(shop, Case.RESIZED_COPY):
        one, other = (shop.image_bytes(path) for path in copy.pictures)
        assert one != other
        greys = [Image.open(io.BytesIO(content)).convert("L") for content in (one, other)]
        assert imagehash.phash(greys[0], 8) - imagehash.phash(greys[1], 8) <= 8
        assert imagehash.phash(greys[0], 16) - imagehash.phash(greys[1], 16) <= 22


def test_products_in_two_categories_stand_in_both_listings(shop):
    for both in planted(shop, Case.TWO_CATEGORIES):
        for label in both.labels:
            assert both.asins[0] in {product.asin for product in shop.stock.listings[label]}


def test_advertised_products_belong_elsewhere(shop):
    organic = {asin for shelf in shop.stock.listings.values() for asin in (product.asin for product in shelf)}
    for case in (Case.SPONSORED, Case.SPONSORED_ELSEWHERE_ORGANIC):
        for one in planted(shop, case):
            product = shop.stock.products()[one.asins[0]]
            assert product.label != one.labels[0]
            assert (product.asin in organic) is (case is Case.SPONSORED_ELSEWHERE_ORGANIC)


def test_truncated_pictures_cannot_be_decoded(shop):
    for one in planted(shop, Case.TRUNCATED):
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(shop.image_bytes(one.pictures[0]))).load()


def test_html_with_an_images_name(shop):
    for one in planted(shop, Case.HTML):
        assert one.pictures[0].endswith(".jpg")
        assert shop.image_bytes(one.pictures[0]).startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("case", [Case.TINY, Case.PLACEHOLDER])
def test_tiny_pictures_are_too_small(shop, case):
    for one in planted(shop, case):
        assert min(Image.open(io.BytesIO(shop.image_bytes(one.pictures[0]))).size) < 64


def test_only_planted_titles_contradict_their_category(shop):
    mismatched = {one.asins[0] for one in planted(shop, Case.TITLE_MISMATCH)}
    for category in shop.categories:
        wrong = {
            product.asin for product in shop.stock.listings[category.label] if category.contradiction(product.title)
        }
        assert wrong == mismatched & {product.asin for product in shop.stock.listings[category.label]}


def test_nothing_is_planted_on_request():
    assert fill(load_labels(), per_class=5, planting=False).planted == []


def test_ids_are_unique(shop):
    pictures = shop.stock.pictures()
    assert len({picture.path() for picture in pictures}) == len(pictures)
    assert len({picture.id[2:] for picture in pictures}) == len(pictures)


def test_the_same_seed_fills_the_same_shop():
    one, other, third = (fill(load_labels(), seed=seed, per_class=8) for seed in (1, 1, 2))
    assert one == other
    assert one.listings != third.listings


def test_a_fourth_category_is_a_block_of_toml(tmp_path):
    labels = tmp_path / "labels.toml"
    kurta = '[[category]]\nlabel = 3\nslug = "kurta"\nname = "Kurta"\nnode = "77"\nfits = ["kurta"]\ncontradicts = ["jeans"]\n'
    labels.write_text(f"{DEFAULT_LABELS.read_text()}\n{kurta}")
    for folder in ("0_saree", "1", "jeans", "3_kurta", "none"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (320, 400), (index * 40, 90, 10)).save(tmp_path / "pictures" / folder / f"{index}.png")
    stock = fill(load_labels(labels), images=tmp_path / "pictures")
    sold = {
        label: {
            one.picture.source.path.parent.name for one in shelf if hasattr(one.picture and one.picture.source, "path")
        }
        for label, shelf in stock.listings.items()
    }
    assert sold == {0: {"0_saree"}, 1: {"1"}, 2: {"jeans"}, 3: {"3_kurta"}}
    assert fill(load_labels(labels), per_class=2, planting=False).listings[3][0].picture.source.read()


def test_brands_come_from_sources_csv(tmp_path):
    (tmp_path / "0_saree").mkdir()
    Image.new("RGB", (320, 400)).save(tmp_path / "0_saree" / "a.jpg")
    (tmp_path / "SOURCES.csv").write_text("file,label,repository\n0_saree/a.jpg,0,somebody/something\n")
    assert (
        fill(load_labels(), images=tmp_path, planting=False, per_class=1).listings[0][0].brand == "somebody/something"
    )


def test_what_the_shop_cannot_sell_is_said(tmp_path, capsys):
    for name in ("saree/a.jpg", "saree/b.bmp", "none/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (320, 400)).save(tmp_path / name)
    (tmp_path / "saree/notes.txt").write_text("bought in May")
    stock = fill(load_labels(), images=tmp_path, planting=False, per_class=2)
    assert [one.picture.source.path.name for one in stock.listings[0]] == ["a.jpg"]
    assert capsys.readouterr().err.splitlines() == [
        "1 thing was passed over (of none of the classes): none.",
        "1 thing was passed over (no picture by its ending or its first bytes): saree/notes.txt.",
        "1 thing was passed over (of a type that shops do not serve): saree/b.bmp.",
    ]


@pytest.mark.parametrize(
    ("inside", "sentence"),
    [
        (None, "There is no folder .*nothing of pictures to sell"),
        ("", "nothing should hold a folder for each class .*, and holds none"),
        (
            "not_a_class",
            "nothing should hold a folder for each class .*, and holds the folders not_a_class that name none",
        ),
        ("0_jeans", "The folder 0_jeans says two things"),
        ("saree", "The class folders in .*nothing hold no picture that a shop serves: JPEG, PNG, WEBP, GIF, AVIF"),
    ],
)
def test_a_folder_that_is_no_class_or_has_no_picture_is_refused_in_a_sentence(tmp_path, inside, sentence):
    folder = tmp_path / "nothing"
    if inside is not None:
        (folder / inside).mkdir(parents=True)
    with pytest.raises(UsageError, match=sentence):
        fill(load_labels(), images=folder)
