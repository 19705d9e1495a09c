"""A run's report is shown without the pictures that were forgotten, and with everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from stj_dataset.manifest import ManifestRow
from stj_web.reports import without_forgotten

TITLE = "Crepe & silk “saree” with a border that is so long that no page shows more than the beginning of it, ever"
PAGE = """<!doctype html><html><body><header><h1>98.4 %</h1></header>
<main>
<div class="grid"><figure class="tile" data-file="aaaaaaaaaaaaaaaa.jpg"><img src="data:image/jpeg;base64,AAAA" alt="x"></figure>
<figure class="tile" data-file="bbbbbbbbbbbbbbbb.jpg"><img src="data:image/jpeg;base64,BBBB" alt="y"></figure></div>
<div class="mistakes">
<article class="card mistake" data-file="bbbbbbbbbbbbbbbb.jpg"><div class="strip">
<figure><img src="data:image/jpeg;base64,BBBB"></figure>
<figure data-file="aaaaaaaaaaaaaaaa.jpg"><img src="data:image/jpeg;base64,AAAA"></figure></div>
<small>Denim &amp; jeans</small></article>
<article class="card mistake" data-file="aaaaaaaaaaaaaaaa.jpg"><figure><img src="data:image/jpeg;base64,AAAA"></figure>
<small>Crepe &amp; silk “saree” with a border that is so long that no page shows more…</small>
<a href="https://shop.test/dp/B0FORGOTTE">B0FORGOTTE</a></article></div>
<table><tbody><tr><td><a href="https://shop.test/dp/B0FORGOTTE">page</a></td><td>3</td></tr>
<tr><td>listing 2</td><td>4</td></tr></tbody></table>
</main></body></html>
"""


def row(name: str, **told: str) -> ManifestRow:
    return ManifestRow(f"train/0/{name * 16}.jpg", 0, "train", "g", name * 64, name * 64, "0" * 16, 60, 80, **told)  # type: ignore[arg-type]  # texts


LOST = row("a", title=TITLE, asin="B0FORGOTTE", product_url="https://shop.test/dp/B0FORGOTTE")


def test_what_shows_it_goes_and_everything_else_stays() -> None:
    page = without_forgotten(PAGE, [LOST])
    assert page is not None
    for word in ("AAAA", "aaaaaaaa", "Crepe", "B0FORGOTTE"):
        assert word not in page
    for word in ("98.4 %", "BBBB", "Denim &amp; jeans", "listing 2"):
        assert word in page
    assert page.count("bbbbbbbbbbbbbbbb.jpg") == 2
    assert (
        '<main><p class="notice">1 picture of this run\'s dataset was forgotten since: what showed them is left out.'
        in page
    )
    assert page.count("<article") == page.count("</article>") == 1
    assert page.count("<figure") == page.count("</figure>") == 2
    assert page.count("<tr>") == page.count("</tr>") == 1


def test_a_report_that_names_no_file_loses_every_picture_and_keeps_its_figures() -> None:
    older = PAGE.replace(' data-file="aaaaaaaaaaaaaaaa.jpg"', "").replace(' data-file="bbbbbbbbbbbbbbbb.jpg"', "")
    page = without_forgotten(older, [LOST])
    assert page is not None
    assert "base64" not in page
    assert "98.4 %" in page
    assert "listing 2" in page
    assert "does not say which of its pictures show them, so all are left out." in page


@pytest.mark.parametrize("place", ["<h1>98.4 %</h1>", "<main>\n"])
@pytest.mark.parametrize("word", ["B0FORGOTTE", "shop.test/dp/B0FORGOTTE", "a" * 64, TITLE[:70].replace("&", "&amp;")])
def test_where_something_of_it_would_stay_nothing_is_shown(place: str, word: str) -> None:
    assert without_forgotten(PAGE.replace(place, f"{place}<p>{word}</p>"), [LOST]) is None


BROKEN = ("<figure class=tile>", "<table><tr><td>a", "</article></figure>", "<svg><title>x</svg>", "<!-- <figure -->")


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_page_is_never_shown_with_it(broken: str) -> None:
    for at in (0, PAGE.index("<main>"), PAGE.index("<table>"), len(PAGE)):
        page = without_forgotten(PAGE[:at] + broken + PAGE[at:], [LOST])
        assert page is None or not {word for word in ("AAAA", "aaaaaaaa", "Crepe", "B0FORGOTTE") if word in page}


def test_the_template_names_the_file_of_every_picture_it_shows() -> None:
    template = (Path(__file__).parents[2] / "stj_model/templates/report.html.j2").read_text(encoding="utf-8")
    shown = [line for line in template.splitlines() if "{{ picture(" in line and "macro" not in line]
    article = next(line for line in template.splitlines() if "<article" in line)
    assert len(shown) == 4
    assert "data-file" in article
    assert [("data-file" in line) for line in shown] == [True, True, False, True]  # the third stands in the article
