"""Screenshots of every page of the studio, in light and dark, on a phone and a desktop: `python -m docs.screens`.

Only drawn pictures are shown: the practice shop is crawled, exported and trained on (with random weights) in a folder of
`demo-out`, once; then headless Chromium visits the studio. Needs the browser of the machine (`chromium` on the PATH).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from stj_core import cli
from stj_core.config import read_config
from stj_core.errors import UsageError
from stj_demo.shop import PracticeShop
from stj_spiders.rendering.browser import launch_options

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

app = cli.make_app("Screenshots of the studio for the docs.")
HERE = Path(__file__).resolve().parent
SIZES = {"desktop": (1120, 740), "phone": (390, 844)}
PAGES = (
    "overview",
    "classify",
    "catalogue",
    "mistakes",
    "picture",
    "duplicates",
    "why",
    "review",
    "dataset",
    "runs",
    "run",
    "compare",
    "map",
    "neighbours",
    "like",
    "crawl",
    "jobs",
)
SCRIPTS = ("amazon_sarees", "amazon_trousers", "amazon_jeans")
# A fixed port, because the shop's address is part of every picture's identity.
PORT = 8787


@app.command()
def screens(
    out: Annotated[Path, typer.Option(help="Where the screenshots land.")] = HERE / "screenshots",
    stage: Annotated[Path, typer.Option(help="Where the drawn shop is crawled.")] = HERE.parent / "demo-out" / "studio",
    only: Annotated[str, typer.Option(help="Pages, with commas between them; all if empty.")] = "",
) -> None:
    """Visit every page and keep what is seen."""
    wanted = [page for page in PAGES if not only or page in only.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    prepare(stage)
    os.chdir(stage)
    with tempfile.TemporaryDirectory() as folder, served(stage) as origin, browser() as chromium:
        uploads = draw_uploads(Path(folder))
        for theme in ("light", "dark"):
            for device, size in SIZES.items():
                visit(chromium, origin, out, wanted, uploads, theme, device, size)
    total = sum(path.stat().st_size for path in out.glob("*.png"))
    cli.emit(f"{len(list(out.glob('*.png')))} screenshots in {out}, {total / 1e6:.2f} MB")


def prepare(stage: Path) -> None:
    """Crawl, export and train on the drawn shop, as far as that was not done before."""
    stage.mkdir(parents=True, exist_ok=True)
    (stage / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
    if not (stage / "catalog.sqlite").exists():
        with PracticeShop(per_class=60, port=PORT, cache=stage.parent / "drawings") as shop:
            for spider in SCRIPTS:
                _run(
                    stage, "scrapy", "crawl", spider, "-L", "WARNING", "-a", f"origin={shop.origin}", "-a", "limit=1000"
                )
        _run(
            stage,
            "stj-dataset",
            "tag",
            "--where",
            "label=2",
            "--where",
            "status=quarantined",
            "--add",
            "ask the shop",
            "--yes",
        )
    if not (stage / "dataset").exists():
        _run(stage, "stj-dataset", "export", "--split", "0.2")
    if len(list((stage / "runs").glob("2*"))) < 2:
        _run(stage, "stj-model", "train", "--weights", "random", "--epochs", "8")
        _run(stage, "stj-model", "train", "--weights", "random", "--epochs", "14", "--seed", "7")


def draw_uploads(folder: Path) -> list[Path]:
    """Three drawn garments that the model has not learned from."""
    files = []
    with PracticeShop(seed=7, per_class=8, planting=False) as shop:
        for label, picture in enumerate(shop.stock.pictures()[i] for i in (0, 9, 17)):
            data = shop.image_bytes(picture.path())
            path = folder / f"garment-{label + 1}.jpg"
            Image.open(io.BytesIO(data)).convert("RGB").save(path, quality=88)
            files.append(path)
    return files


@contextmanager
def served(stage: Path) -> Iterator[str]:
    """The studio over a folder, on a free port of this machine."""
    from stj_web.serve import make_server
    from stj_web.settings import WebConfig

    config = read_config(
        catalog=str(stage / "catalog.sqlite"), images=str(stage / "images"), runs=stage / "runs", cache=stage / "cache"
    )
    server = make_server(config, WebConfig(port=0, scrapyd="", reviewer="asha"))

    def run() -> None:
        with suppress(OSError):  # the loop ends so when the sockets are closed from outside
            server.run()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, else Playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**launch_options())
        try:
            yield chromium
        finally:
            chromium.close()


def visit(
    chromium: Browser,
    origin: str,
    out: Path,
    wanted: list[str],
    uploads: list[Path],
    theme: str,
    device: str,
    size: tuple[int, int],
) -> None:
    """Every page in one theme on one device."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,
        has_touch=device == "phone",
        is_mobile=device == "phone",
        reduced_motion="reduce",
    )
    page = context.new_page()
    try:
        for name in wanted:
            page.goto(origin + _address(name, page, origin))
            if name == "classify":
                _classify(page, uploads if device == "desktop" else uploads[:1])
            if name == "mistakes":
                _choose(page, by_hand=device == "desktop")
            if name == "map":
                _draw_around(page)
            page.wait_for_load_state("networkidle")
            _keep(page.screenshot(), out / f"{name}-{device}-{theme}.png")
    finally:
        context.close()


def _address(name: str, page: Page, origin: str) -> str:
    fixed = {
        "overview": "/",
        "classify": "/classify",
        "catalogue": "/catalogue",
        "mistakes": "/catalogue?right=no&sort=surest",
        "duplicates": "/duplicates",
        "review": "/review?queue=kept&label=0",
        "dataset": "/datasets/1",
        "runs": "/runs",
        "crawl": "/crawls/1",
        "jobs": "/jobs",
    }
    if name in fixed:
        return fixed[name]
    runs = [one["name"] for one in page.context.request.get(f"{origin}/api/v1/runs").json()["runs"]]
    if name == "run":
        return f"/runs/{runs[0]}"
    if name in ("map", "neighbours"):
        return f"/runs/{runs[0]}/{name}"
    if name == "compare":
        return f"/compare?run={runs[0]}&run={runs[1]}"
    status = "kept" if name in ("picture", "like") else "quarantined"
    found = page.context.request.get(f"{origin}/api/v1/images?status={status}&limit=30").json()["images"]
    tile = next(one for one in found if one["asin"])
    if name == "like":
        return f"/pictures/{tile['id']}/like?by=features"
    return f"/pictures/{tile['id']}" if name == "picture" else f"/why?q={tile['asin']}"


def _classify(page: Page, uploads: list[Path]) -> None:
    page.set_input_files("#files", [str(path) for path in uploads])
    page.locator(".judged .read:not([hidden])").nth(len(uploads) - 1).wait_for(timeout=90_000)
    button = page.locator(".look").first
    if button.is_visible():
        button.click()
        page.locator(".judged .heat:not([hidden])").first.wait_for()
    page.mouse.wheel(0, -5_000)


def _draw_around(page: Page) -> None:
    """Draw a lasso around a corner of the map, and see it again from the top."""
    page.locator("#map:not([hidden])").wait_for(timeout=90_000)
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    edge = [(0.12, 0.15), (0.45, 0.1), (0.5, 0.5), (0.2, 0.65), (0.1, 0.4)]
    corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in edge]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    page.locator("#picked figure").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def _choose(page: Page, *, by_hand: bool) -> None:
    """Tick a few pictures, the filters out of the way; `by_hand` shows what else can be done to them."""
    boxes = page.locator("[data-pick]")
    boxes.nth(0).click()
    boxes.nth(3).click(modifiers=["Shift"])
    if by_hand:
        page.keyboard.press("t")
    page.locator(".count").evaluate("line => scrollTo(0, line.getBoundingClientRect().top + scrollY - 110)")


def _keep(data: bytes, path: Path) -> None:
    """Write a PNG of few colours: a screenshot needs no more, and the repository stays small."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.quantize(72, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def _run(stage: Path, *command: str) -> None:
    cli.say("$ " + " ".join(command))
    own = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STJ_")}
    environment |= {"PATH": f"{own}{os.pathsep}{os.environ.get('PATH', '')}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=stage, env=environment, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - our own commands
    if done.returncode:
        raise UsageError(f"{' '.join(command)} ended with exit code {done.returncode}.")


if __name__ == "__main__":
    cli.run(app)
