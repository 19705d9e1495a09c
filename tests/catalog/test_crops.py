"""A second look: pictures that show a part of another are found, and different garments on one background are not."""

from __future__ import annotations

import hashlib
import random

import pytest
from PIL import Image, ImageOps
from sqlalchemy import select

from stj_catalog.dedupe import dedupe
from stj_catalog.schema import crops, images
from stj_images.crops.search import Crop, SecondLook, search
from stj_images.likeness import Thresholds
from tests.catalog.crawling import Card, Walk, print_of, state_of
from tests.catalog.pictures import draw, encode

pytest.importorskip("cv2", reason="needs pip install 'stj[crops]'")
RULE = Thresholds()
SIZE = (450, 600)


def cut(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """The picture without these shares of its width and height."""
    w, h = picture.size
    return picture.crop((round(w * left), round(h * top), w - round(w * right), h - round(h * bottom)))


def look(*pictures: Image.Image, order: int | None = None) -> SecondLook:
    """A second look at these pictures, as JPEGs."""
    data = {hashlib.sha256(one).hexdigest(): one for one in (encode(picture) for picture in pictures)}
    names = list(data)
    if order is not None:
        random.Random(order).shuffle(names)
    return search(names, data.__getitem__, lambda _what, _total: lambda _done: None)


def near(found: SecondLook) -> list[Crop]:
    """The pairs that count."""
    return [one for one in found.crops if one.distance <= RULE.crop and one.distance256 <= RULE.crop256]


@pytest.mark.parametrize(
    "shares", [(0.1, 0.1, 0.1, 0.1), (0.2, 0.0, 0.1, 0.25), (0.0, 0.3, 0.0, 0.0)], ids=["middle", "corner", "lower"]
)
def test_a_crop_is_found_in_its_picture(shares: tuple[float, float, float, float]):
    whole = [draw(seed, SIZE) for seed in range(6)]
    smaller = cut(whole[2], *shares)
    found = near(look(*whole, smaller.resize((smaller.width * 2 // 3, smaller.height * 2 // 3))))
    assert len(found) == 1
    assert {found[0].one, found[0].two} >= {hashlib.sha256(encode(whole[2])).hexdigest()}


def test_a_crop_with_a_border_is_found():
    whole = [draw(seed, SIZE) for seed in range(4)]
    assert len(near(look(*whole, ImageOps.expand(cut(whole[1], 0.15, 0.15, 0.1, 0.1), 40, "black")))) == 1


def test_other_garments_before_one_background_are_not():
    """Keypoints of the wall agree on a place; what is seen there does not."""
    wall = draw(77, SIZE)
    staged = []
    for seed in range(4):
        picture = wall.copy()
        picture.paste(draw(seed, (260, 420)), (95, 120))
        staged.append(picture)
    assert near(look(*staged)) == []


def test_what_has_no_keypoints_is_like_nothing():
    assert look(Image.new("RGB", SIZE, "white"), Image.new("RGB", SIZE, "black")).crops == []


def test_the_order_of_the_pictures_decides_nothing():
    whole = [draw(seed, SIZE) for seed in range(5)]
    copies = [cut(picture, 0.1, 0.05, 0.1, 0.2) for picture in whole[:3]]
    first = look(*whole, *copies)
    assert len(near(first)) == 3
    for order in range(3):
        again = look(*whole, *copies, order=order)
        assert (again.checksums, list(again.crops)) == (first.checksums, list(first.crops))


@pytest.fixture
def looked(catalog):
    """Three pictures of different groups, and a second look that ties the first two."""
    Walk(catalog).page([Card(name, print_of(number), asin=f"B0{name}") for number, name in enumerate("abc")])
    with catalog.read() as connection:
        named = {row.image_key.rsplit("/", 1)[-1]: row.sha256 for row in connection.execute(select(images))}
    a, b, c = (named[name] for name in sorted(named))
    return catalog, SecondLook(frozenset((a, b, c)), [Crop(a, b, 2, 6), Crop(b, c, 2, 40)])


def groups_of(catalog) -> list[int]:
    with catalog.read() as connection:
        return list(connection.execute(select(images.c.group_id).order_by(images.c.image_key)).scalars())


def test_a_second_look_makes_relatives_of_near_crops_only(looked):
    catalog, second = looked
    before = groups_of(catalog)
    report, _ = dedupe(catalog, RULE, look=second, dry_run=True)
    assert report.likenesses["crop"] == 1
    assert groups_of(catalog) == before
    report, members = dedupe(catalog, RULE, look=second, members=True)
    one, two, other = groups_of(catalog)
    assert one == two != other
    assert report.regrouped == 1
    assert report.changes == [], "a relative stays kept"
    assert {member.alike.split(",")[0] for member in members} == {"a part in common"}
    with catalog.read() as connection:
        (row,) = connection.execute(select(crops)).all()
    assert (row.distance, row.distance256, row.rule) == (2, 6, "crop 8/16")


def test_what_a_second_look_found_stays_until_the_next(looked):
    catalog, second = looked
    dedupe(catalog, RULE, look=second)
    tied = state_of(catalog)
    for again in (None, second):
        report, _ = dedupe(catalog, RULE, look=again)
        assert not report.regrouped
        assert state_of(catalog) == tied
    dedupe(catalog, RULE, look=SecondLook(second.checksums, []))
    assert len(set(groups_of(catalog))) == 3


def test_new_pages_leave_crops_together(looked):
    catalog, second = looked
    dedupe(catalog, RULE, look=second)
    Walk(catalog, spider="later").page([Card("d", print_of(9)), Card("a", print_of(0), asin="B0a")])
    one, two, *_ = groups_of(catalog)
    assert one == two
