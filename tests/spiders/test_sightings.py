"""What a product's own page says of its category, with a gallery and without one."""

from __future__ import annotations

import pytest

from stj_core.labels import Category, load_labels
from stj_spiders.shops.amazon.product import Picture, Product
from stj_spiders.shops.amazon.verdict import Verdict
from stj_spiders.sightings import gallery_sightings

ORIGIN = "https://shop.test"
KEY = f"{ORIGIN}/images/I/a.jpg"


@pytest.fixture
def jeans() -> Category:
    return next(one for one in load_labels() if one.slug == "jeans")


@pytest.mark.parametrize(
    ("title", "breadcrumb", "gallery", "bare"),
    [
        ("Slim fit jeans", ("Clothing", "Jeans"), None, "no_image"),
        ("Banarasi silk saree", (), "title_mismatch", "title_mismatch"),
        ("Festive wear", ("Clothing", "Saree"), "title_mismatch", "title_mismatch"),
    ],
)
def test_a_page_without_a_picture_has_its_say(
    jeans: Category, title: str, breadcrumb: tuple[str, ...], gallery: str | None, bare: str
) -> None:
    """One row of no picture, so that the page is the product's newest word all the same."""
    page = Product(Verdict.OK, "B000000001", title=title, breadcrumb=breadcrumb, pictures=(Picture(KEY, KEY),))
    (shown,) = gallery_sightings(page, jeans, ORIGIN)
    assert (shown.image_key, shown.reason) == (KEY, gallery)
    page = Product(Verdict.OK, "B000000001", title=title, breadcrumb=breadcrumb)
    (told,) = gallery_sightings(page, jeans, ORIGIN)
    assert (told.position, told.image_key, told.image_url, told.asin) == (1, None, None, "B000000001")
    assert (told.title, told.reason) == (title, bare)


def test_a_page_that_is_gone_says_nothing(jeans: Category) -> None:
    assert not gallery_sightings(Product(Verdict.UNAVAILABLE), jeans, ORIGIN)


def test_a_gallery_without_a_title_is_a_gallery(jeans: Category) -> None:
    page = Product(Verdict.OK, "B000000001", pictures=(Picture(KEY, KEY),))
    (shown,) = gallery_sightings(page, jeans, ORIGIN)
    assert (shown.image_key, shown.title, shown.reason) == (KEY, None, None)
