"""Titles, brands and prices such as an Indian garment shop has them."""

from __future__ import annotations

from random import Random

from stj_core.labels import Category

BRANDS = (
    "Anvika", "Banyan & Loom", "Chanderi Lane", "Dhaaga House", "Eka Weaves", "Fort Street", "Gulmohar", "Harit Textiles",
    "Indigo Yard", "Jaipur Thread", "Kosa Studio", "Loomkari", "Mul & Khadi", "Neelkanth", "Ochre Mills", "Pallavi Silks",
    "Rangrez Works", "Saanjh", "Tana Bana", "Urban Tussar",
)  # fmt: skip
_SAREE_FABRICS = (
    "Banarasi Silk", "Kanjivaram Silk", "Chanderi Cotton", "Georgette", "Chiffon", "Linen Blend", "Tussar Silk", "Organza",
    "Mulmul Cotton", "Art Silk", "Crepe", "Maheshwari Silk", "Soft Lichi Silk", "Tant Cotton",
)  # fmt: skip
_SAREE_WORK = (
    "Zari Woven", "Printed", "Embroidered", "Bandhani", "Floral Print", "Block Printed", "Temple Border", "Ikat Weave",
    "Striped", "Foil Print", "Sequin Border", "Butta Woven", "Kalamkari Print",
)  # fmt: skip
_SAREE_ENDINGS = (
    "with Unstitched Blouse Piece", "for Women", "for Women Party Wear", "for Wedding and Festive Wear",
    "with Contrast Blouse Piece", "with Tassels on Pallu", "for Daily Wear", "Latest Design",
)  # fmt: skip
_FITS = ("Slim Fit", "Regular Fit", "Straight Fit", "Relaxed Fit", "Tapered Fit", "Comfort Fit")
_TROUSER_FABRICS = (
    "Cotton",
    "Poly Viscose",
    "Linen Blend",
    "Stretch Twill",
    "Wrinkle Free",
    "Terry Rayon",
    "Wool Blend",
)
_TROUSER_KINDS = (
    "Formal Trousers",
    "Chinos",
    "Casual Trousers",
    "Flat Front Trousers",
    "Pleated Trousers",
    "Office Wear Pants",
)
_JEANS_RISE = ("Mid-Rise", "High-Rise", "Low-Rise")
_JEANS_LOOKS = (
    "Stretchable", "Clean Look", "Light Fade", "Heavy Fade", "Distressed", "Whiskered", "Stone Washed", "Raw Indigo",
    "Mildly Torn",
)  # fmt: skip
_JEANS_CUTS = ("Slim Fit", "Skinny Fit", "Straight Fit", "Tapered Fit", "Bootcut", "Regular Fit", "Loose Fit")
_NEUTRAL = (
    "Handmade Festive Wear with Fine Finish", "Premium Everyday Wear, Soft Feel", "Classic Wardrobe Essential, Easy Care",
    "New Season Occasion Wear", "Signature Collection Garment",
)  # fmt: skip


def title_for(category: Category, colour: str, random: Random) -> str:
    """A plausible title that fits its category.

    Args:
        category: any category of labels.toml; the three known ones get their own vocabulary.
        colour: a colour's name, or "" where nobody knows it.
        random: where the choices come from.
    """
    makers = {"saree": _saree, "trousers": _trousers, "jeans": _jeans}
    maker = makers.get(category.slug)
    title = maker(colour, random) if maker else f"{colour} {category.name} {random.choice(_SAREE_ENDINGS)}"
    return " ".join(title.split())


def contradicting_title(
    category: Category, categories: tuple[Category, ...], colour: str, random: Random
) -> str | None:
    """A title that says the card belongs elsewhere, or None where `category` has no words for that."""
    others = [other for other in categories if other.label != category.label]
    for other in random.sample(others, len(others)):
        title = title_for(other, colour, random)
        if category.contradiction(title):
            return title
    return f"{colour} {category.contradicts[0].title()}".strip() if category.contradicts else None


def neutral_title(random: Random) -> str:
    """A title that fits any category."""
    return random.choice(_NEUTRAL)


def price_for(random: Random) -> tuple[int, int]:
    """A price and the crossed-out price above it, in rupees."""
    price = random.randrange(349, 4999, 50)
    return price, int(price * random.uniform(1.4, 3.2)) // 100 * 100 + 99


def _saree(colour: str, random: Random) -> str:
    return f"Women's {random.choice(_SAREE_FABRICS)} {random.choice(_SAREE_WORK)} {colour} Saree {random.choice(_SAREE_ENDINGS)}"


def _trousers(colour: str, random: Random) -> str:
    wearer = random.choice(("Men's", "Men", "Mens"))
    return f"{wearer} {random.choice(_FITS)} {random.choice(_TROUSER_FABRICS)} {random.choice(_TROUSER_KINDS)} {_in(colour)}"


def _jeans(colour: str, random: Random) -> str:
    wearer = random.choice(("Men's", "Men", "Mens"))
    look = f"{random.choice(_JEANS_CUTS)} {random.choice(_JEANS_RISE)} {random.choice(_JEANS_LOOKS)}"
    return f"{wearer} {look} Jeans {_in(colour)}"


def _in(colour: str) -> str:
    return f"({colour})" if colour else ""
