"""Categories are data; titles that contradict their listing are found by whole words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stj_core.errors import UsageError
from stj_core.labels import NO_LABEL, Category, find_category, load_categories, load_labels

KNOWN = {one.slug: one for one in load_labels()}


def test_the_three_classes_of_the_contract():
    assert [(one.label, one.name, one.spider, one.node) for one in load_labels()] == [
        (0, "Saree", "amazon_sarees", "1968256031"),
        (1, "Trousers", "amazon_trousers", "1968125031"),
        (2, "Jeans", "amazon_jeans", "1968076031"),
    ]
    assert KNOWN["saree"].listing_path == "/s?rh=n%3A1968256031&fs=true"


@pytest.mark.parametrize(
    ("slug", "title", "word"),
    [
        ("saree", "Kanjivaram Silk Saree with Blouse Piece", None),
        ("saree", "Cotton Petticoat for Saree", "petticoat"),
        ("saree", "Saree Covers with Zip, pack of 3", "saree covers"),
        ("trousers", "Men's Slim Fit Formal Trousers", None),
        ("trousers", "Men's Denim Trousers", "denim"),
        ("jeans", "Men's Slim Fit JEANS", None),
        ("jeans", "Denim Shirt for Men", "shirt"),
        ("jeans", "Shirtless model in jeans", None),
        ("jeans", "Stretch T-Shirt", "t-shirt"),
        ("jeans", "Festive wear › Sarees", "sarees"),
        ("saree", "", None),
    ],
)
def test_a_title_that_belongs_elsewhere_is_found(slug, title, word):
    assert KNOWN[slug].contradiction(title) == word


def test_departments_speak_in_the_plural():
    """Sarees, Kurtas, Shirts: what contradicts alone contradicts in numbers."""
    garments = ("saree", "sari", "kurta", "kurti", "shirt", "belt", "jacket", "gown", "lehenga")
    for category in KNOWN.values():
        plurals = [f"{word}s" for word in category.contradicts if word.endswith(garments)]
        assert [category.contradiction(word) for word in plurals] == plurals


@given(st.sampled_from(sorted(KNOWN)), st.text(max_size=60))
def test_a_contradiction_is_a_word_of_the_title(slug, title):
    word = KNOWN[slug].contradiction(title)
    assert word is None or word in title.lower()


def test_a_fitting_phrase_explains_the_word_inside_it():
    category = Category(0, "x", "X", "1", fits=("shirt dress",), contradicts=("shirt",))
    assert category.contradiction("Shirt Dress") is None
    assert category.contradiction("Shirt dress with a shirt") == "shirt"


def write(tmp_path, text):
    file = tmp_path / "labels.toml"
    file.write_text(text, encoding="utf-8")
    return file


GOOD = '[[category]]\nlabel = {label}\nslug = "{slug}"\nname = "The {slug}"\nnode = "1"\n'


NAMED = '[[category]]\nlabel = {label}\nslug = "{slug}"\nname = "{name}"\n'


@pytest.mark.parametrize("labels", [(0, 1), (0, 2, 3, 10), tuple(range(10))])
def test_any_number_of_classes_of_any_names_without_a_listing(tmp_path, labels):
    names = ["कुत्ता", "Röcke", "T_Shirt", "ネコ", "a b", "İ", "ß", "Ω", "é", "x.y"]
    text = "".join(NAMED.format(label=one, slug=f"c-{one}", name=names[place]) for place, one in enumerate(labels))
    found = load_labels(write(tmp_path, text))
    assert [one.label for one in found] == list(labels)
    with pytest.raises(UsageError, match="has no listing to crawl"):
        found[0].listing_path  # noqa: B018 - asking is the test


def test_the_category_of_none_of_the_classes_comes_last_and_is_no_class():
    assert [one.slug for one in load_categories()] == ["saree", "trousers", "jeans", "other"]
    assert (load_categories()[-1].role, load_categories()[-1].label) == ("none", NO_LABEL)
    assert [one.slug for one in load_labels()] == ["saree", "trousers", "jeans"]


def test_another_file_brings_other_categories(tmp_path):
    file = write(tmp_path, GOOD.format(label=7, slug="kurta") + GOOD.format(label=3, slug="dress"))
    assert [one.slug for one in load_labels(file)] == ["dress", "kurta"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no [[category]] block: add one."),
        ("not toml at all", "is not valid TOML"),
        ("[category]\nlabel = 1", "has a category that is no [[category]] block"),
        ('[[category]]\nlabel = "1"', "needs label = a int, got '1'."),
        ("[[category]]\nlabel = true", "needs label = a int, got True."),
        (GOOD.format(label=-1, slug="a"), "needs a label of 0 or more"),
        (GOOD.format(label=1, slug="A B"), "a slug of a-z, 0-9 and -, got 1 and 'A B'."),
        (GOOD.format(label=1, slug="a") + "colour = 1", "has unknown fields: colour."),
        (GOOD.format(label=1, slug="none"), "cannot be called 'none': predictions answer none and unsure"),
        (GOOD.format(label=1, slug="unsure"), "cannot be called 'unsure'"),
        (NAMED.format(label=1, slug="a", name="None"), "cannot be called 'None'"),
        (NAMED.format(label=1, slug="a", name=""), "needs a name that can be read, got ''."),
        (NAMED.format(label=1, slug="a", name=" - "), "needs a name that can be read"),
        (NAMED.format(label=1, slug="a", name="2"), "a folder of that name is the class with that label"),
        (
            NAMED.format(label=0, slug="a", name="T Shirt") + NAMED.format(label=1, slug="b", name="t-shirt"),
            "calls two categories alike: a (T Shirt) and b (t-shirt) both mean a folder t-shirt.",
        ),
        (
            NAMED.format(label=0, slug="a", name="Rock") + NAMED.format(label=1, slug="rock", name="Skirt"),
            "calls two categories alike",
        ),
        (
            NAMED.format(label=0, slug="short", name="A") + NAMED.format(label=1, slug="shorts", name="B"),
            "both mean a folder short",
        ),
        ('[[category]]\nrole = "none"\nslug = "o"\nname = "O"', "has no [[category]] block: add one."),
        (
            GOOD.format(label=1, slug="a") + '[[category]]\nrole = "none"\nslug = "o"\nname = "O"\nlabel = 3',
            'with role = "none" has no label, and was given 3.',
        ),
        (GOOD.format(label=1, slug="a") + '[[category]]\nrole = "x"\nslug = "o"\nname = "O"', "has the role 'x'"),
        (
            GOOD.format(label=1, slug="a")
            + "".join(f'[[category]]\nrole = "none"\nslug = "{n}"\nname = "{n}"\n' for n in "xy"),
            'has two categories with role = "none": keep one.',
        ),
        (GOOD.format(label=1, slug="a") * 2, "gives the same label to two categories: [1, 1]."),
        (GOOD.format(label=1, slug="a") + GOOD.format(label=2, slug="a"), "gives the same slug to two categories"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path, text, sentence):
    with pytest.raises(UsageError) as caught:
        load_labels(write(tmp_path, text))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(
        UsageError, match=r"Cannot read the labels file .*: No such file .*\. Set STJ_LABELS to a labels"
    ):
        load_labels(tmp_path / "none.toml")


def test_an_unknown_category_names_the_known_ones():
    assert find_category("jeans", load_labels()).label == 2
    with pytest.raises(UsageError) as caught:
        find_category("hats", load_labels())
    assert str(caught.value) == "There is no category 'hats': labels.toml knows saree, trousers, jeans."


@pytest.mark.parametrize(
    "text",
    [
        *("category = 3", 'category = "saree"', "category = {}", f"a = {'[' * 3000}{']' * 3000}"),
        *(
            f"{{block}}{field}"
            for field in ("role = []", "spider = 3", "node = 5", 'fits = "saree"', "contradicts = [1]", 'fits = [""]')
        ),
        *(
            '[[category]]\nlabel = 99999999999999999999\nslug = "a"\nname = "A"',
            '[[category]]\nlabel = 10000\nslug = "a"\nname = "A"',
        ),
        f'[[category]]\nlabel = 0\nslug = "a"\nname = "{"A" * 101}"',
        *(f'[[category]]\nlabel = 0\nslug = "a"\nname = "{name}"' for name in ("unsure!", "Un-sure", "N.O.N.E")),
    ],
)
def test_whatever_a_labels_file_holds_it_is_read_or_refused_in_a_sentence(tmp_path, text):
    file = tmp_path / "labels.toml"
    file.write_text(text.replace("{block}", '[[category]]\nlabel = 0\nslug = "a"\nname = "A"\n'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"labels\.toml"):
        load_categories(file)


def test_a_labels_file_saved_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "labels.toml"
    file.write_text('[[category]]\nlabel = 0\nslug = "a"\nname = "A"\n', encoding="utf-8-sig")
    assert [one.slug for one in load_labels(file)] == ["a"]
