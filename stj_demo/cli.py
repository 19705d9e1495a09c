"""Open the practice shop from a command line."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from stj_core import cli
from stj_demo.behaviour import Behaviour, Block, Robots

app = cli.make_app("The practice shop.")


@app.command()
def shop(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")] = 0,
    images: Annotated[
        Path | None, typer.Option(help="Folder of 0_…/ 1_…/ 2_…/ to sell; without one the shop draws.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides everything that the shop shows.")] = 42,
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Products per listing; all of the folder's, or 260 drawings.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(envvar="STJ_LABELS", help="Another labels.toml.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps drawings for the next time.")] = None,
    log: Annotated[Path | None, typer.Option(help="File that gets one JSON line per request.")] = None,
    separate_pictures: Annotated[bool, typer.Option(help="Serve the pictures on a port of their own.")] = False,
    planting: Annotated[bool, typer.Option(help="Plant cases that a crawl has to notice.")] = True,
    list_planted: Annotated[bool, typer.Option(help="Print what is planted as JSON, and end.")] = False,
    robots: Annotated[Robots, typer.Option(help="What /robots.txt answers.")] = Robots.ALLOW,
    robots_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Rules to serve instead.")
    ] = None,
    crawl_delay: Annotated[float | None, typer.Option(help="Seconds of Crawl-delay in robots.txt.")] = None,
    block: Annotated[Block, typer.Option(help="What listing pages turn into.")] = Block.NONE,
    block_from_page: Annotated[int, typer.Option(min=1, help="The first listing page that is blocked.")] = 1,
    block_first: Annotated[int, typer.Option(min=0, help="Block only so many requests; 0 blocks them all.")] = 0,
    block_details: Annotated[bool, typer.Option(help="Block detail pages too.")] = False,
    retry_after: Annotated[str | None, typer.Option(help="Retry-After of a block: seconds or an HTTP date.")] = None,
    script_made: Annotated[bool, typer.Option(help="Listing pages whose cards a script fetches.")] = False,
    lazy_images: Annotated[bool, typer.Option(help="Pictures in data-src until they are scrolled into view.")] = False,
    page_delay: Annotated[float, typer.Option(min=0, help="Seconds before every page.")] = 0,
    picture_delay: Annotated[float, typer.Option(min=0, help="Seconds before every picture.")] = 0,
    picture_status: Annotated[int, typer.Option(help="Any status but 200 refuses every picture.")] = 200,
    break_every: Annotated[int, typer.Option(min=0, help="Break every n-th picture in the middle of its body.")] = 0,
) -> None:
    """A shop on this machine that speaks Amazon's markup; prints its origin and serves until Ctrl-C."""
    from stj_demo.shop import PracticeShop

    behaviour = Behaviour(
        robots=robots,
        robots_text=robots_file.read_text(encoding="utf-8") if robots_file else None,
        crawl_delay_s=crawl_delay,
        block=block,
        block_from_page=block_from_page,
        block_first=block_first,
        block_details=block_details,
        retry_after=retry_after,
        script_made=script_made,
        lazy_images=lazy_images,
        page_delay_s=page_delay,
        picture_delay_s=picture_delay,
        picture_status=picture_status,
        break_every=break_every,
    )
    with PracticeShop(
        images,
        seed,
        per_class,
        labels=labels,
        behaviour=behaviour,
        port=port,
        separate_pictures=separate_pictures,
        log=log,
        cache=cache,
        planting=planting,
    ) as practice_shop:
        if list_planted:
            cli.emit_json([asdict(planted) for planted in practice_shop.planted])
            return
        goodbye = _goodbye()  # before anybody can know where it is
        cli.emit(practice_shop.origin)
        if separate_pictures:
            host = practice_shop.image_origin.partition("//")[2]
            cli.say(f"Its pictures are at {host}: a crawl asks for them with -s STJ_PICTURE_HOSTS={host}.")
        sys.stdout.flush()
        goodbye.wait()


def main() -> NoReturn:
    """Run the command line."""
    cli.run(app)


def _goodbye() -> threading.Event:
    """What Ctrl-C or a polite kill sets."""
    goodbye = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: goodbye.set())
    return goodbye
