"""The addresses of pictures and products: sizes fold together, composites and strangers stay what they are."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.addresses import is_loopback
from stj_core.shops.amazon import asin_of, fold_image_url, product_url, sized_image_url

HOSTS = st.sampled_from(["m.media-amazon.com", "images-eu.ssl-images-amazon.com", "127.0.0.1:8080", "localhost"])
IDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-", min_size=8, max_size=14)
SIDES = st.integers(1, 3000)
ONE_MODIFIER = st.one_of(
    st.just("AC"),
    st.builds("{}{}".format, st.sampled_from(["SX", "SY", "SL", "SS", "UL", "UX", "UY", "US", "QL"]), SIDES),
    st.builds("SR{},{}".format, SIDES, SIDES),
    st.builds("CR{},{},{},{}".format, SIDES, SIDES, SIDES, SIDES),
    st.sampled_from(
        ["FMwebp", "FMavif", "CB485932108", "PKdp-play-icon-overlay", "PJPrime-Sash-Extra-Large-2017,TopLeft,0,0"]
    ),
)
MODIFIERS = st.lists(ONE_MODIFIER, min_size=1, max_size=5).map(lambda parts: f"_{'_'.join(parts)}_")
EXTENSIONS = st.sampled_from(["jpg", "png", "webp", "gif"])
PICTURES = st.builds("https://{}/images/I/{}.{}".format, HOSTS, IDS, EXTENSIONS)
LAYER = "_CLa%7C2140%2C2000%7C41Abc.png%7C0%2C0%2C2140%2C2000%2B0.0%2C0.0%2C2140.0%2C2000.0"


def in_size(picture: str, modifiers: str) -> str:
    stem, _, extension = picture.rpartition(".")
    return f"{stem}.{modifiers}.{extension}"


@given(PICTURES, MODIFIERS, MODIFIERS)
def test_all_sizes_of_a_picture_fold_into_its_own_address(picture: str, one: str, other: str) -> None:
    assert (
        picture
        == fold_image_url(picture)
        == fold_image_url(in_size(picture, one))
        == fold_image_url(in_size(picture, other))
    )


@given(PICTURES, MODIFIERS, st.sampled_from(["?aicid=community-reviews", "#x", "?a=1#b"]))
def test_query_and_fragment_do_not_make_another_picture(picture: str, modifiers: str, tail: str) -> None:
    assert picture == fold_image_url(in_size(picture, modifiers) + tail)


@given(st.one_of(PICTURES, st.builds(in_size, PICTURES, MODIFIERS)), IDS)
def test_different_pictures_stay_different(picture: str, other: str) -> None:
    changed = f"https://m.media-amazon.com/images/I/x{other}.jpg"
    assert (fold_image_url(picture) == fold_image_url(changed)) == (fold_image_url(picture) == changed)


@given(
    st.one_of(
        st.text(),
        st.builds("http://{}".format, st.text()),
        st.builds("{}{}".format, PICTURES, st.text()),
        st.builds(in_size, PICTURES, st.text()),
    )
)
def test_folding_twice_changes_nothing_more(url: str) -> None:
    folded = fold_image_url(url)
    assert folded == fold_image_url(folded)


@given(IDS, st.sampled_from(["_AC_SX679_", "_AC_UL320_", "_AC_SL1500_"]), st.sampled_from(["png", "jpg"]))
def test_a_composite_keeps_its_layers(picture: str, size: str, extension: str) -> None:
    address = f"https://m.media-amazon.com/images/I/{picture}.{LAYER}{size}.{extension}"
    assert address == fold_image_url(address) == sized_image_url(address, "_SL640_")
    unescaped = address.replace("%7C", "|")
    assert unescaped == fold_image_url(unescaped)


@given(PICTURES, MODIFIERS, st.from_regex(r"[A-Z]{4,12}_[0-9]{3,6}-T[0-9]", fullmatch=True))
def test_an_experiment_of_the_server_is_not_part_of_the_identity(picture: str, modifiers: str, name: str) -> None:
    assert picture == fold_image_url(in_size(picture, modifiers).replace("/images/", f"/images/W/{name}/images/"))


@given(PICTURES, MODIFIERS, SIDES)
def test_asking_for_a_size_and_folding_undo_each_other(picture: str, modifiers: str, side: int) -> None:
    asked = sized_image_url(in_size(picture, modifiers), f"_SL{side}_")
    assert in_size(picture, f"_SL{side}_") == asked
    assert picture == fold_image_url(asked)
    assert picture == sized_image_url(asked, "")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "https://m.media-amazon.com/images/I/71KML--Vz9L._AC_UY218_.jpg",
            "https://m.media-amazon.com/images/I/71KML--Vz9L.jpg",
        ),
        ("HTTPS://M.Media-Amazon.com/images/I/81+DaZP4aSL.jpg", "https://m.media-amazon.com/images/I/81+DaZP4aSL.jpg"),
        (
            "https://m.media-amazon.com/images/I/81%2BDaZP4aSL._SS40_.jpg",
            "https://m.media-amazon.com/images/I/81+DaZP4aSL.jpg",
        ),
        (
            "https://m.media-amazon.com/images/I/218UBEgp2rL.SX38_SY50_CR,0,0,38,50_BG85,85,85_BR-120_PKdp-play-icon-overlay__.jpg",
            "https://m.media-amazon.com/images/I/218UBEgp2rL.jpg",
        ),
        ("/images/I/61abc._SX342_.webp", "/images/I/61abc.webp"),
        ("https://shop.example/pictures/a.b.jpg?v=2#top", "https://shop.example/pictures/a.b.jpg?v=2"),
        ("data:image/gif;base64,R0lGOD#x", "data:image/gif;base64,R0lGOD#x"),
        ("http://[broken/images/I/a._SX1_.jpg", "http://[broken/images/I/a._SX1_.jpg"),
        ("", ""),
    ],
)
def test_addresses_as_pages_have_them(address: str, expected: str) -> None:
    assert expected == fold_image_url(address)


@pytest.mark.parametrize("size", ["SL640", "_SL640", "_SL 640_", "__", "_a/b_"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="An image size looks like _SL640_, got"):
        sized_image_url("https://m.media-amazon.com/images/I/a.jpg", size)


ASINS = st.from_regex(r"[A-Z0-9]{10}", fullmatch=True)


@given(
    ASINS,
    st.sampled_from(
        [
            "/dp/{}",
            "/Red-Saree/dp/{}/ref=sr_1_1?k=saree",
            "/gp/product/{}?psc=1",
            "/gp/aw/d/{}#x",
            "/exec/obidos/ASIN/{}/",
        ]
    ),
)
def test_the_asin_is_found_in_every_form_of_a_product_address(asin: str, form: str) -> None:
    address = "https://www.amazon.in" + form.format(asin)
    assert asin == asin_of(address)
    assert asin == asin_of(f"/sspa/click?ie=UTF8&spc=MTox&url={quote(form.format(asin), safe='')}&aref=x")


@pytest.mark.parametrize("address", ["", "/dp/", "/dp/B01234567", "/dp/B0123456789", "/s?k=B012345678", "/stores/dp"])
def test_no_asin_is_none(address: str) -> None:
    assert asin_of(address) is None


@given(ASINS)
def test_a_product_address_names_its_product(asin: str) -> None:
    assert asin == asin_of(product_url("http://127.0.0.1:8000", asin))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://127.0.0.1:80/a", True),
        ("http://127.3.2.1/", True),
        ("http://localhost", True),
        ("http://[::1]:9/", True),
        ("https://www.amazon.in", False),
        ("http://127.shop.example", False),
        ("http://[", False),
    ],
)
def test_loopback_is_this_machine_only(address: str, expected: bool) -> None:
    assert expected == is_loopback(address)
