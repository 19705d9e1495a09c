"""The studio in a real headless Chromium: what a person does with mouse and keys, and what axe finds."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from stj_core.config import read_config
from stj_dataset.export import ExportSettings, export_dataset
from stj_dataset.manifest import read_manifest
from stj_demo.shop import PracticeShop
from stj_images.likeness import Thresholds
from stj_web.job_files import JobFolder
from tests.browser import needed_browser
from tests.dataset.filling import Shelf, item
from tests.model.conftest import draw

from .conftest import Serve
from .running import make_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

WAIT = 60_000
PHONE = (390, 844)
# Every kind of page.
PLACES = (
    *(
        "/",
        "/classify",
        "/catalogue",
        "/pictures/1",
        "/duplicates",
        "/why?q=B000000900",
        "/review",
        "/review?queue=kept",
    ),
    *(
        "/review?queue=quarantine&view=grid",
        "/review?queue=groups",
        "/datasets",
        "/datasets/1",
        "/runs",
        "/runs/2026-01",
    ),
    *("/runs/2026-01/map", "/runs/2026-01/neighbours", "/pictures/1/like", "/jobs", "/jobs/1"),
    *("/catalogue?right=no&sort=surest", "/selection/forget?pictures=1,2", "/pictures/1/forget"),
    *("/compare?run=2026-01&run=2026-02", "/crawls", "/crawls/1", "/login", "/nothing"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless browser for this module."""
    options = needed_browser()
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(**options)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose script errors, and whatever the content policy blocks, fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT)
    found = context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    yield found
    context.close()
    assert wrong == []


def test_classify_by_upload(runs: Path, serve: Serve, page: Any, tmp_path: Path) -> None:
    for label in (0, 1):
        (tmp_path / f"garment-{label}.png").write_bytes(draw(label, 95))
    (tmp_path / "words.png").write_bytes(b"no picture at all")
    page.goto(serve() + "/classify")
    page.set_input_files("#files", [str(tmp_path / f"garment-{label}.png") for label in (0, 1)])
    page.locator(".judged .read:not([hidden])").nth(1).wait_for()
    card = page.locator(".judged").first
    assert card.locator("h2").inner_text() in {"Saree", "Trousers", "Jeans", "Unsure", "None of these"}
    shares = [float(text.removesuffix(" %")) for text in card.locator(".bars b").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert card.locator(".near img").count() == 3
    look, heat = card.get_by_role("button", name="Where it looked"), card.locator(".heat")
    assert heat.is_hidden()
    look.click()
    heat.wait_for()
    photo, layer = card.locator(".photo").bounding_box(), heat.bounding_box()
    assert layer == pytest.approx(photo, abs=1)
    assert look.get_attribute("aria-pressed") == "true"
    look.click()
    heat.wait_for(state="hidden")
    page.set_input_files("#files", str(tmp_path / "words.png"))
    page.locator(".judged .error:not([hidden])").wait_for()
    assert "no picture" in page.locator(".judged .error:not([hidden])").inner_text()
    page.get_by_text("3 files answered").wait_for()


def test_a_pasted_picture_is_classified(runs: Path, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/classify")
    page.locator("#drop").wait_for()
    page.evaluate(
        """data => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(data)], "pasted.png", { type: "image/png" }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        list(draw(2, 96)),
    )
    page.locator(".judged .read:not([hidden])").wait_for()
    assert page.locator(".judged .file").inner_text() == "pasted.png"


@pytest.mark.parametrize("number", [11, pytest.param(50, marks=pytest.mark.slow)])
def test_many_answers_are_summed_up_sorted_filtered_and_taken_away(
    runs: Path, serve: Serve, page: Any, tmp_path: Path, number: int
) -> None:
    names = [f"{at:02d}, garment.png" for at in range(number)]
    for at, name in enumerate(names):
        (tmp_path / name).write_bytes(draw(at % 3, 60 + at))
    (tmp_path / "=words.png").write_bytes(b"no picture at all")
    page.goto(serve() + "/classify")
    page.set_input_files("#files", [str(tmp_path / name) for name in [*names[:5], "=words.png", *names[5:]]])
    page.get_by_text(f"{number + 1} files answered").wait_for()
    assert page.locator(".judged .file").all_inner_texts() == [*names[:5], "=words.png", *names[5:]]
    summary = page.locator("#summary").inner_text()
    assert sum(int(part.split()[0]) for part in summary.split(", ")) == number + 1
    assert "1 not read" in summary
    with page.expect_download() as taken:
        page.locator("#as-csv").click()
    lines = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text(encoding="utf-8"))))
    assert [line["file"] for line in lines] == [*names[:5], "'=words.png", *names[5:]]
    page.select_option("#order", "surest")
    page.select_option("#only", "error")
    assert page.locator(".judged:visible .file").all_inner_texts() == ["=words.png"]
    page.select_option("#only", "")
    assert page.locator(".judged .file").last.inner_text() == "=words.png"
    with page.expect_download() as taken:
        page.locator("#as-json").click()
    shares = [
        max(one["probabilities"].values())
        for one in json.loads(Path(taken.value.path()).read_text(encoding="utf-8"))
        if one["error"] is None
    ]
    assert len(shares) == number
    assert shares == sorted(shares, reverse=True)


def test_the_wrong_jeans_of_a_shop_are_found_and_relabelled_in_six_actions(
    said: Any, shelf: Shelf, serve: Serve, page: Any
) -> None:
    origin = serve()
    page.goto(origin + "/runs/2026-01")
    # One: the shop's wrong ones. Two: of the jeans. Three: all shown. Four: what they are.
    page.locator("a[href*='shop=Acme'][href*='right=no']").click()
    page.select_option("#true", label="Jeans")
    page.wait_for_url("**true=2**")
    wanted = page.locator("[data-pick]").count()
    assert wanted > 3
    page.keyboard.press("a")
    assert page.locator("#chosen").inner_text() == f"{wanted} pictures chosen"
    page.keyboard.press("1")
    page.get_by_text(f"{wanted} pictures: Trousers.").wait_for()
    rows = page.request.get(f"{origin}/api/v1/reviews?limit=200").json()["reviews"]
    assert [(row["action"], row["label"]) for row in rows] == [("label", 1)] * wanted
    page.keyboard.press("u")
    page.get_by_text(f"Taken back: {wanted} decisions.").wait_for()
    # A range by Shift, and one of it not.
    page.goto(origin + "/catalogue?status=kept")
    boxes = page.locator("[data-pick]")
    boxes.nth(2).click()
    boxes.nth(8).click(modifiers=["Shift"])
    assert page.locator("#chosen").inner_text() == "7 pictures chosen"
    boxes.nth(4).click()
    assert page.locator(".tile.picked").count() == 6
    page.keyboard.press("Escape")
    assert page.locator(".tile.picked").count() == 0


def test_filter_and_open_a_picture(shelf: Shelf, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/catalogue")
    page.keyboard.press("/")
    page.keyboard.type("Jeans")
    page.keyboard.press("Enter")
    page.wait_for_url("**/catalogue?text=Jeans")
    page.select_option("#status", "kept")
    page.wait_for_url("**text=Jeans&status=kept")
    assert page.locator("figure").count() >= 10
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    wanted = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{wanted}")
    assert page.locator("dt", has_text="SHA-256").count() == 1
    assert page.locator("table tbody tr").count() >= 1
    natural = page.locator(".picture .view img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert natural > 0


def test_review_twenty_by_keyboard_and_undo(shelf: Shelf, serve: Serve, page: Any) -> None:
    origin = serve()
    page.goto(origin + "/review?queue=kept")
    page.locator(".pick.current").wait_for()
    ids = [int(card) for card in page.locator(".pick").evaluate_all("cards => cards.map(card => card.dataset.id)")]
    for key in "012xk0120x" * 2:
        page.keyboard.press(key)
    page.get_by_text("20 done now").wait_for()
    page.wait_for_function("() => !document.querySelector('[data-done=sending]')")
    decided = page.request.get(origin + "/api/v1/reviews").json()["reviews"]
    words = {row["image_id"]: (row["action"], row["label"]) for row in decided}
    wanted = [("label", 0), ("label", 1), ("label", 2), ("reject", None), ("keep", None)]
    wanted += [("label", 0), ("label", 1), ("label", 2), ("label", 0), ("reject", None)]
    assert [words[one] for one in ids[:20]] == wanted * 2
    assert len(decided) == 20
    assert {row["reviewer"] for row in decided} == {"asha"}
    page.keyboard.press("u")
    page.get_by_text("19 done now").wait_for()
    newest = page.request.get(f"{origin}/api/v1/reviews?image={ids[19]}").json()["reviews"][0]
    assert newest["undone_at"]
    assert int(page.locator(".pick.current").get_attribute("data-id")) == ids[19]


def test_thirty_are_selected_and_marked_as_none_of_the_classes(shelf: Shelf, serve: Serve, page: Any) -> None:
    origin = serve()
    page.goto(origin + "/catalogue?status=kept&limit=40")
    boxes = page.locator("[data-pick]")
    ids = [int(value.split(":")[0]) for value in boxes.evaluate_all("boxes => boxes.map(box => box.value)")][:30]
    boxes.nth(0).click()
    boxes.nth(29).click(modifiers=["Shift"])
    assert page.locator("#chosen").inner_text() == "30 pictures chosen"
    page.keyboard.press("o")
    page.get_by_text("30 pictures: none of the classes.").wait_for()
    rows = page.request.get(f"{origin}/api/v1/reviews?limit=200").json()["reviews"]
    assert sorted(row["image_id"] for row in rows) == sorted(ids)
    assert {row["action"] for row in rows} == {"none"}
    found = page.request.get(f"{origin}/api/v1/images?label=none&limit=200").json()["images"]
    assert {one["id"] for one in found} >= set(ids)
    page.keyboard.press("u")
    page.get_by_text("Taken back: 30 decisions.").wait_for()
    assert page.request.get(f"{origin}/api/v1/images?label=none&limit=200").json()["images"] == []


@pytest.mark.medium
def test_the_chosen_are_tagged_grouped_and_parted_by_keys_with_one_undo(shelf: Shelf, serve: Serve, page: Any) -> None:
    origin = serve()
    page.goto(origin + "/catalogue?status=kept")
    boxes = page.locator("[data-pick]")
    ids = [int(value.split(":")[0]) for value in boxes.evaluate_all("boxes => boxes.map(box => box.value)")][:3]

    def choose() -> None:
        boxes.nth(0).click()
        boxes.nth(2).click(modifiers=["Shift"])
        assert page.locator("#chosen").inner_text() == "3 pictures chosen"
        page.keyboard.press("t")
        page.wait_for_function("() => document.activeElement.id === 'tag'")

    choose()
    # Digits and letters are typed here, not decided by.
    page.keyboard.type("Row 10 k")
    page.keyboard.press("Enter")
    page.get_by_text("3 pictures carry the tag “Row 10 k” now.").wait_for()
    assert page.request.get(f"{origin}/api/v1/reviews").json()["reviews"] == []
    page.locator("a.tag").first.click()
    page.wait_for_url("**/catalogue?tag=Row+10+k")
    assert page.locator("figure.tile").count() == 3
    page.go_back()
    choose()
    page.get_by_role("button", name="One group").click()
    page.get_by_text("3 pictures put in one group.").wait_for()
    groups = {page.request.get(f"{origin}/api/v1/images/{one}").json()["image"]["group_id"] for one in ids}
    assert len(groups) == 1
    page.keyboard.press("u")
    page.get_by_text("Taken back: group by asha.").wait_for()
    groups = {page.request.get(f"{origin}/api/v1/images/{one}").json()["image"]["group_id"] for one in ids}
    assert len(groups) == 3


@pytest.mark.medium
def test_two_reviewers_at_once_lose_no_decision(shelf: Shelf, serve: Serve, browser: Any) -> None:
    origin = serve()
    contexts = [browser.new_context() for _ in range(2)]
    first, second = (context.new_page() for context in contexts)
    for one in (first, second):
        one.goto(origin + "/review?queue=kept&view=grid")
        one.locator(".pick.current").wait_for()
    first.keyboard.press("x")
    first.locator("[data-done=reject]").wait_for()
    second.keyboard.press("1")
    second.locator(".toast.bad").wait_for()
    assert "meanwhile" in second.locator(".toast.bad").inner_text()
    second.keyboard.press("1")
    second.locator("[data-done=label]").wait_for()
    rows = second.request.get(origin + "/api/v1/reviews").json()["reviews"]
    assert [row["action"] for row in rows] == ["label", "reject"]
    for context in contexts:
        context.close()


@pytest.mark.slow
def test_watch_a_crawl_of_the_practice_shop_come_in(tmp_path: Path, serve: Serve, page: Any) -> None:
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
    origin = serve()
    with PracticeShop(per_class=60) as shop:
        shop.behave(picture_delay_s=0.05, page_delay_s=1.0)
        crawl = [sys.executable, "-m", "scrapy", "crawl", "amazon_jeans", "-L", "ERROR", "-a", f"origin={shop.origin}"]
        environment = {**os.environ, "STJ_CONTACT": "test@example.org"}
        process = subprocess.Popen(
            crawl, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            for _ in range(120):
                page.goto(origin + "/crawls")
                if page.locator("tbody th a").count():
                    break
                page.wait_for_timeout(250)
            page.locator("tbody th a").first.click()
            page.locator("#state", has_text="running").wait_for()
            page.locator("#newest figure").first.wait_for()
            seen = int(page.locator("[data-figure=cards]").inner_text())
            page.locator("#state", has_text="finished").wait_for()
            _out, err = process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
    assert process.returncode == 0, err
    number = re.search(r"/crawls/(\d+)", page.url)
    assert number is not None
    story = page.request.get(f"{origin}/api/v1/crawls/{number[1]}").json()
    assert int(page.locator("[data-figure=cards]").inner_text()) == story["cards"] >= seen > 0
    assert int(page.locator("[data-figure='images.kept']").inner_text()) == story["images"]["kept"]
    assert page.locator("#pages tr").count() >= 2


def test_compare_two_runs(runs: Path, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/runs")
    assert page.locator("tbody input:checked").count() == 2
    page.get_by_role("button", name="Compare the chosen").click()
    page.wait_for_url("**/compare?**")
    assert page.locator("svg.chart").count() == 2
    assert page.locator("svg.chart").first.locator("polyline").count() == 4
    assert page.locator("table.confusion").count() == 2
    words = page.locator(".verdict").inner_text()
    assert words.startswith("Of ")
    assert "2026-01" in words
    page.get_by_role("link", name="Validation").click()
    assert "not on 'val'" in page.locator(".verdict").inner_text()
    assert "Confusion, validation" in page.locator("table.confusion caption").first.inner_text()


def test_a_report_is_embedded_and_runs_nothing(runs: Path, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/runs/2026-01")
    frame = page.frame_locator("iframe.report")
    assert frame.locator("p").inner_text() == "The report"


@pytest.mark.medium
def test_every_page_can_be_reached_by_keyboard_and_themes_stay(shelf: Shelf, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/catalogue")
    page.locator("#theme").click()
    theme = page.evaluate("document.documentElement.dataset.theme")
    assert theme in {"light", "dark"}
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


@pytest.mark.medium
def test_without_scripts_one_can_still_classify_and_review(
    runs: Path, shelf: Shelf, serve: Serve, browser: Any, tmp_path: Path
) -> None:
    origin = serve()
    (tmp_path / "garment.png").write_bytes(draw(0, 97))
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(origin + "/classify")
    plain.set_input_files("#files", str(tmp_path / "garment.png"))
    plain.get_by_role("button", name="Classify").click()
    plain.locator(".judged .bars li").first.wait_for()
    assert plain.locator(".judged .heat").is_hidden()
    plain.get_by_label("Where it looked").check()
    assert plain.locator(".judged .heat").is_visible()
    plain.goto(origin + "/review?queue=kept")
    plain.get_by_role("button", name="Jeans 2").first.click()
    assert "is kept now" in plain.locator(".flash").inner_text()
    context.close()


@pytest.mark.parametrize(
    ("theme", "size"),
    [
        pytest.param("light", (1100, 900), marks=pytest.mark.medium),
        pytest.param("dark", (1100, 900), marks=pytest.mark.slow),
        pytest.param("dark", PHONE, marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious_and_nothing_overflows(
    runs: Path, shelf: Shelf, serve: Serve, browser: Any, tmp_path: Path, theme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = ExportSettings(out=tmp_path / "dataset")
    export_dataset(shelf.catalog, shelf.store, shelf.labels, options, thresholds=Thresholds())
    queue = JobFolder(read_config().catalog_url)
    queue.write(replace(queue.add("loop", "Export, train, compare", {}, ("export", "train"), "asha"), state="failed"))
    origin = serve()
    # axe is a script of the test's own: the studio's content policy would rightly keep it out.
    context = browser.new_context(
        bypass_csp=True,
        color_scheme=theme,
        viewport=dict(zip(("width", "height"), size, strict=True)),
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
    )
    page = context.new_page()
    serious: list[tuple[str, str, list[str]]] = []
    for place in PLACES:
        page.goto(origin + place)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size[0], f"{place} is {wide} pixels wide"
        serious += [
            (place, found["id"], [node["html"][:120] for node in found["nodes"]][:3])
            for found in axe.run(page).response["violations"]
            if found["impact"] in {"serious", "critical"}
        ]
    context.close()
    assert serious == []


@pytest.mark.medium
@pytest.mark.parametrize("height", [844, 568])
def test_on_a_phone_the_buttons_of_review_hide_no_text(shelf: Shelf, serve: Serve, browser: Any, height: int) -> None:
    context = browser.new_context(viewport={"width": PHONE[0], "height": height}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(serve() + "/review?queue=kept")
    page.locator(".pick.current").wait_for()
    long = "Women's Tussar Silk Embroidered Ice Blue Saree with Unstitched Blouse Piece, for Wedding and Party"
    page.locator(".pick.current .title a").evaluate("(link, words) => { link.textContent = words; }", long)
    for scrolled in (0, 150, 10_000):
        page.evaluate("down => scrollTo(0, down)", scrolled)
        covered = page.locator(".pick.current").evaluate(
            """card => {
                const boxes = [...card.querySelectorAll(".decide button")].map(one => one.getBoundingClientRect());
                return [...card.querySelectorAll(".about > p")].filter(line => {
                    const text = document.createRange();
                    text.selectNodeContents(line);
                    const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
                    return [...text.getClientRects()].some(box => boxes.some(button => over(box, button)));
                }).map(line => line.textContent);
            }"""
        )
        assert covered == []
    cut = page.locator(".pick.current button").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth)"
    )
    assert cut == []
    context.close()


@pytest.mark.medium
def test_one_can_do_without_a_mouse(shelf: Shelf, serve: Serve, page: Any) -> None:
    origin = serve()
    page.goto(origin + "/review?queue=kept")
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "Skip to the page"
    assert focused(page)["box"][0] >= 0, "the skip link is to be seen when it has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = []
    while not seen or "pick" not in seen[-1]["name"]:
        page.keyboard.press("Tab")
        seen.append(focused(page))
        assert len(seen) < 30
    words = [one["text"] for one in seen[:-1]]
    assert words[:5] == ["Suspects", "Quarantine", "Groups", "Kept", "Rejected"]
    # From the tabs to the filters, the view and the pictures: as the eye reads.
    assert [one["box"][1] for one in seen] == sorted(one["box"][1] for one in seen)
    page.keyboard.press("x")
    page.keyboard.press("2")
    page.wait_for_function("() => document.querySelectorAll('[data-done=reject], [data-done=label]').length === 2")
    page.keyboard.press("u")
    page.get_by_text("1 done now").wait_for()
    for place in ("/", "/classify", "/catalogue", "/pictures/1", "/duplicates", "/why", "/crawls", "/login"):
        page.goto(origin + place)
        ring = []
        for _ in range(60):
            page.keyboard.press("Tab")
            now = focused(page)
            if now["name"].startswith("BODY") or (ring and now["text"] == "Skip to the page"):
                break
            assert now["outline"], f"{place}: nobody sees that {now} has the focus"
            ring.append(now)
        wanted = [
            "Skip to the page",
            "STJ studio",
            "Classify",
            "Catalogue",
            "Review",
            "Datasets",
            "Runs",
            "Crawls",
            "Jobs",
        ]
        assert [one["text"] for one in ring][: len(wanted)] == wanted


def focused(page: Any) -> dict[str, Any]:
    """What has the focus: its name, its words, its place on the page, and whether its ring can be seen."""
    found: dict[str, Any] = page.evaluate(
        """() => {
            const one = document.activeElement, box = one.getBoundingClientRect();
            const ring = [one, ...(one.labels ?? [])].some(part => {
                const style = getComputedStyle(part);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            });
            const text = (one.textContent || one.getAttribute("aria-label") || "").trim();
            return { name: `${one.tagName} ${one.className}`, text, box: [box.left, box.top + scrollY], outline: ring };
        }"""
    )
    return found


@pytest.mark.medium
def test_pictures_are_dropped_on_the_page(runs: Path, serve: Serve, page: Any) -> None:
    page.goto(serve() + "/classify")
    page.get_by_text("Drop pictures here").wait_for()
    drag = """([kind, pictures]) => {
        const transfer = new DataTransfer();
        for (const [name, type, data] of pictures) transfer.items.add(new File([new Uint8Array(data)], name, { type }));
        const target = document.getElementById("drop");
        const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
        return target.dispatchEvent(event);
    }"""
    pictures = [[f"{label}.png", "image/png", list(draw(label, 98))] for label in (0, 2)]
    words = ["words.txt", "text/plain", [104, 105]]
    for kind in ("dragenter", "dragover"):
        assert page.evaluate(drag, [kind, pictures]) is False, "the browser would open the picture itself"
    assert "over" in page.locator("#drop").get_attribute("class")
    assert page.evaluate(drag, ["drop", [*pictures, words]]) is False
    assert "over" not in page.locator("#drop").get_attribute("class")
    page.get_by_text("3 files answered").wait_for()
    assert page.locator(".judged .file").all_inner_texts() == ["0.png", "2.png", "words.txt"]
    assert page.locator(".judged .error:visible").all_inner_texts() == ["It is no picture, but text/plain."]
    assert "1 not read" in page.locator("#summary").inner_text()


@pytest.mark.slow
def test_the_first_paint_comes_within_a_second(shelf: Shelf, serve: Serve, page: Any) -> None:
    origin = serve()
    page.goto(origin + "/")
    for place in ("/", "/catalogue", "/review?queue=kept"):
        # The best of three: other processes of a busy machine are not what is measured.
        painted = []
        for _ in range(3):
            page.goto(origin + place)
            page.wait_for_timeout(300)
            painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        assert min(painted) < 1_000, place


@pytest.mark.medium
def test_pictures_are_chosen_by_a_lasso_and_by_the_keys_of_the_map(
    said: Any, shelf: Shelf, serve: Serve, page: Any
) -> None:
    origin = serve()
    page.goto(origin + "/runs/2026-01/map")
    page.locator("#map:not([hidden])").wait_for()
    canvas = page.locator("#canvas")
    box = canvas.bounding_box()
    edge = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    page.mouse.move(box["x"] + edge[0][0] * box["width"], box["y"] + edge[0][1] * box["height"])
    page.mouse.down()
    for x, y in [*edge[1:], edge[0]]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
    page.mouse.up()
    everything = page.request.get(f"{origin}/runs/2026-01/map.json").json()["ids"]
    page.get_by_text(f"{len(everything)} pictures chosen").wait_for()
    # One that is unticked leaves the choice, and the rest is decided about as anywhere else.
    page.locator("#picked [data-pick]").first.uncheck()
    page.get_by_text(f", {len(everything) - 1} chosen").wait_for()
    canvas.focus()
    page.keyboard.press("Escape")
    page.locator("#picked figure").first.wait_for(state="detached")
    for key in ("ArrowRight", "s", "ArrowUp", "ArrowLeft", "s", "f"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelectorAll('#picked [data-pick]').length >= 10")
    wanted = page.locator("#picked [data-pick]").count()
    page.locator("#acts").get_by_role("button", name="None of these").click()
    page.get_by_text(f"{wanted} pictures: none of the classes.").wait_for()
    assert "/runs/2026-01/map" in page.url
    rows = page.request.get(f"{origin}/api/v1/reviews?limit=200").json()["reviews"]
    assert [row["action"] for row in rows] == ["none"] * wanted
    page.keyboard.press("u")
    page.get_by_text(f"Taken back: {wanted} decisions.").wait_for()
    # What is hidden in the legend is not chosen.
    page.locator("#map:not([hidden])").wait_for()
    page.locator("#legend button").first.click()
    canvas.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("f")
    page.wait_for_function("() => document.querySelectorAll('#picked [data-pick]').length >= 10")
    assert "Saree" not in page.locator("#picked figcaption .class").all_inner_texts()


@pytest.mark.slow
def test_export_train_and_compare_from_the_browser(shelf: Shelf, serve: Serve, page: Any, tmp_path: Path) -> None:
    origin = serve()
    for number in (1, 2):
        page.goto(origin + "/jobs")
        page.select_option("#recipe", "default")
        page.select_option("#weights", "random")
        page.fill("#seed", "42")
        page.get_by_role("button", name="Export, train, compare").click()
        page.wait_for_url(f"**/jobs/{number}")
        page.locator("#state", has_text="running").wait_for()
        page.locator("#state", has_text="done").wait_for(timeout=420_000)
        words = page.locator(".job-steps .said").all_inner_texts()
        assert "No group is in two splits." in words[0]
        assert words[1].startswith("Run ")
        if number == 1:
            assert words[2] == "There was no run before to compare with."
            # A picture gets another label before the second time.
            moved = {"image_id": 1, "action": "label", "label": 1, "seen": 0}
            token = page.locator('meta[name="csrf-token"]').get_attribute("content")
            answer = page.request.post(f"{origin}/api/v1/reviews", data=moved, headers={"X-CSRFToken": token})
            assert answer.status == 201
    assert words[2].startswith("Of ")
    page.get_by_role("link", name="What changed").click()
    page.wait_for_url("**/compare?**")
    assert "1 relabelled" in page.locator("main").inner_text()
    assert "Saree → Trousers" in page.locator("main").inner_text()
    assert page.get_by_text("Named rightly by one run only").count() == 1
    assert len(list((tmp_path / "runs").glob("2*"))) == 2


@pytest.mark.slow
def test_a_crawl_is_started_watched_and_stopped_without_scrapyd(
    tmp_path: Path, serve: Serve, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PracticeShop(per_class=60) as shop:
        shop.behave(picture_delay_s=0.1, page_delay_s=1.0)
        monkeypatch.setenv("STJ_ORIGIN", shop.origin)
        monkeypatch.setenv("STJ_CONTACT", "test@example.org")
        page.goto(serve() + "/crawls")
        page.select_option("#category", "jeans")
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/jobs/1")
        page.get_by_role("link", name="The crawl, live").wait_for()
        page.get_by_role("button", name="Stop it").click()
        page.locator("#state", has_text="cancelled").wait_for()
        page.get_by_role("link", name="The crawl, live").click()
        page.locator("#state", has_text="interrupted").wait_for()
        page.go_back()
        page.get_by_role("button", name="Give it again").click()
        page.wait_for_url("**/jobs/2")
        page.locator("#state", has_text="done").wait_for(timeout=180_000)
        page.get_by_role("link", name="The crawl, live").click()
        page.locator("#state", has_text="finished").wait_for()


@pytest.mark.slow
def test_a_forgotten_picture_is_nowhere(
    serve: Serve, shelf: Shelf, page: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Every address that the studio links to or loads is asked, before and after, and no answer may hold it."""
    title, address = "Gota patti lehenga saree of Mrs Sharma", "http://127.0.0.1/images/I/unforgettable.jpg"
    shelf.add([item(0, 960, key="unforgettable", title=title, asin="B0FORGETME")], crawl="third")
    options = ExportSettings(out=tmp_path / "dataset")
    export_dataset(shelf.catalog, shelf.store, shelf.labels, options, thresholds=Thresholds())
    monkeypatch.setenv("STJ_RUNS", str(tmp_path / "runs"))
    run = make_run(tmp_path / "runs", tmp_path / "dataset", 1)
    row = next(one for one in read_manifest(run) if one.title == title)
    (run / "report.html").write_text(
        f'<main><figure class="tile" data-file="{Path(row.file).name}"><img alt="{title}"></figure><p>98 %</p></main>',
        encoding="utf-8",
    )
    origin = serve()
    words = (title, address, "B0FORGETME", row.sha256[:16])
    picture = page.request.get(f"{origin}/api/v1/trace?q={row.sha256}").json()["pictures"][0]["id"]
    original = page.request.get(f"{origin}/pictures/{picture}/original").body()
    thumbnails = {page.request.get(f"{origin}/pictures/{picture}/{size}.jpg").body() for size in ("tile", "large")}

    def names(place: str, text: str) -> list[str]:
        """The words that an answer says of itself: what was asked for is asked for still."""
        return [word for word in words if word in html.unescape(text) and word not in unquote_plus(place)]

    def walk() -> tuple[int, set[str]]:
        """Go wherever a page leads, but to other pictures; the answers that hold this one, a name or an address of it."""
        waiting, asked, holding = list(PLACES), set(), set()
        while waiting:
            place = waiting.pop(0).split("#")[0]
            other = re.match(r"/pictures/(\d+)", place)
            if place in asked or not place.startswith("/") or (other and int(other[1]) not in (1, 2, picture)):
                continue
            asked.add(place)
            answer = page.request.get(origin + place, max_redirects=0)
            body = answer.body()
            text = body.decode("utf-8", "replace")
            if body == original or body in thumbnails or names(place, text):
                holding.add(place)
            if "html" in answer.headers.get("content-type", ""):
                links = re.findall(r'(?:href|src|data-points)="(/[^"]*)"', text)
                waiting += [html.unescape(link) for link in links if "review?" not in link or "after" not in link]
        return len(asked), holding

    number, holding = walk()
    before = sorted(holding)
    assert number > 100
    assert {"/catalogue", f"/pictures/{picture}", f"/pictures/{picture}/tile.jpg?v={row.sha256[:8]}"} <= holding
    page.goto(f"{origin}/pictures/{picture}")
    page.get_by_role("link", name="Forget it for good").click()
    page.get_by_label(re.compile("number", re.IGNORECASE)).fill(str(picture))
    page.get_by_role("button", name=re.compile("Forget")).click()
    page.get_by_text("tombstone").wait_for()
    _, holding = walk()
    assert holding == set()
    for place in before:
        text = page.request.get(origin + place, max_redirects=0).body()
        assert text != original, place
        assert text not in thumbnails, place
        assert not names(place, text.decode("utf-8", "replace")), place
    # What the browser keeps, it asks about again; and the page itself shows nothing of it.
    page.goto(f"{origin}/pictures/{picture}")
    assert "forgotten" in page.locator("main").inner_text()
    assert page.request.get(f"{origin}/runs/{run.name}/report").text().count("98 %") == 1
