"""How long reading a page takes: CPU seconds per MB at 1 to 8 MB, for plausible pages and for the worst we can think of.

    python bench/parse.py [--sizes 1 2 4 8] [--json]

Time must grow with the size and no faster: the last column is the cost per MB of the largest page over that of the
smallest. A page of 5 MB must take less than 3 s. Where `../shared/amazon_pages` is there, real pages, repeated to size,
are measured too.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

from stj_spiders.shops.amazon.listing import parse_listing
from stj_spiders.shops.amazon.product import parse_product
from stj_spiders.shops.amazon.verdict import judge, promises_script

URL = "https://www.amazon.in/s?rh=n%3A1968256031"
REAL = Path(__file__).resolve().parents[1].parent / "shared" / "amazon_pages"
CARD = """<div role="listitem" data-asin="B0{n:08d}" data-index="{n}" data-component-type="s-search-result" class="s-asin">
<span data-component-type="s-product-image"><a href="/x/dp/B0{n:08d}/ref=sr"><img class="s-image" alt="Bench saree {n}"
 src="https://m.media-amazon.com/images/I/71{n:07d}xL._AC_UL320_.jpg"
 srcset="https://m.media-amazon.com/images/I/71{n:07d}xL._AC_UL320_.jpg 1x"></a></span>
<div data-cy="title-recipe"><a href="/x/dp/B0{n:08d}/ref=sr">
<h2 aria-label="Bench saree {n}"><span>Bench saree {n}</span></h2></a></div>
<span class="a-icon-alt">4.1 out of 5 stars</span>
<span class="a-price"><span class="a-offscreen">₹1,{n:03d}</span></span></div>
"""
PICTURED = "<li id=result_{n} data-asin=B{n:09d}><img class=s-image src=https://m.media-amazon.com/images/I/{n:09d}xL._AC_UL320_.jpg>"


def repeat(piece: str, size: int, head: str = "<html><body>") -> str:
    """`piece` again and again, up to `size` characters."""
    return head + piece * (size // len(piece) + 1)


def many_cards(size: int) -> str:
    """Cards as a listing has them."""
    return "<html><body>" + "".join(CARD.format(n=n) for n in range(size // len(CARD) + 1))


def bare_cards(size: int) -> str:
    """The smallest thing that counts as a card."""
    return "<html><body>" + "".join(f"<li id=result_{n} data-asin=B{n:09d}>" for n in range(size // 37))


def attribute_soup(size: int) -> str:
    """One tag with a hundred thousand attributes and more."""
    return "<html><body><div " + " ".join(f"a{n}='>'" for n in range(size // 12)) + ">" + CARD.format(n=1)


def noise(size: int) -> str:
    """Random bytes, the same every time."""
    return random.Random(size).randbytes(size).decode("latin-1")


PAGES: dict[str, Callable[[int], str]] = {
    "cards": many_cards,
    "bare tiles": bare_cards,
    "tiles with a picture": lambda size: "".join(PICTURED.format(n=n) for n in range(size // len(PICTURED))),
    "one card, many pictures": lambda size: repeat(
        "<img class=s-image><a href=/dp/B012345678><h2>", size, CARD.format(n=1)[:-7]
    ),
    "nested tiles": lambda size: repeat("<div data-asin=B012345678 data-component-type=s-search-result>", size),
    "tiles below 250 levels": lambda size: repeat(
        "<p data-asin=B012345678 data-component-type=s-search-result>x", size, "<div>" * 250
    ),
    "nested <div>": lambda size: repeat("<div>", size),
    "nested <table>": lambda size: repeat("<table><tr><td>", size),
    "unmatched end tags": lambda size: repeat("</b>", size, "<i>" * 250),
    "attribute soup": attribute_soup,
    "open quotes": lambda size: repeat("""<a b="c<a b='d""", size),
    "open comments": lambda size: repeat("<!--<script><style>", size),
    "open scripts": lambda size: repeat("<script>'colorImages': {'initial': [{\"hiRes\":", size),
    "deep JSON": lambda size: "'colorImages': {'initial': " + "[" * size,
    "one word": lambda size: "x" * size,
    "ampersands": lambda size: repeat("&amp", size),
    "noise": noise,
}


def real_pages() -> dict[str, Callable[[int], str]]:
    """Saved pages, each repeated up to the size."""
    texts = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(REAL.glob("listing/*.html")) + sorted(REAL.glob("detail/*.html"))
    }
    return {name: lambda size, text=text: (text * (size // len(text) + 1))[:size] for name, text in texts.items()}


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(page: Callable[[int], str], sizes: list[int]) -> dict[str, object]:
    """CPU seconds of the slowest of the four readers, per size in MB."""
    spent = {}
    for size in sizes:
        text = page(size * 1_000_000)
        readers: dict[str, Callable[[], object]] = {
            "listing": lambda text=text: parse_listing(text, URL),
            "product": lambda text=text: parse_product(text, URL),
            "judge": lambda text=text: judge(text, URL),
            "promises_script": lambda text=text: promises_script(text),
        }
        spent[size] = max(seconds(read) for read in readers.values())
    per_mb = {size: used / size for size, used in spent.items()}
    return {"seconds": spent, "seconds_per_mb": per_mb, "growth": per_mb[sizes[-1]] / max(per_mb[sizes[0]], 1e-3)}


def main() -> None:
    """Measure every page at every size and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8], metavar="MB")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    sizes = sorted(options.sizes)
    results: dict[str, dict[str, object]] = {}
    if not options.json:
        print("CPU seconds per MB of the slowest reader")
        print(f"{'page':<28}" + "".join(f"{f'{size} MB':>9}" for size in sizes) + "   growth")
    for name, page in (PAGES | real_pages()).items():
        result = results[name] = measure(page, sizes)
        if not options.json:
            per_mb = result["seconds_per_mb"]
            print(
                f"{name:<28}" + "".join(f"{per_mb[size]:9.3f}" for size in sizes) + f"{'':>15}{result['growth']:>8.1f}",
                flush=True,
            )
    if options.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
