"""The whole road in one command: open the practice shop, crawl it, export a dataset, train on it, and say how it went.

Each step is the command that a person would type; it is printed before it runs. Everything lands in one folder, and a second
run goes on with what is there: nothing is fetched twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from stj_core import cli
from stj_core.errors import StjError, UsageError
from stj_core.extras import is_installed
from stj_core.labels import labels_path

app = cli.make_app("Walk the whole road on the practice shop.")
# A fixed port, because the shop's address is part of every picture's identity.
PORT = 8787


class StepError(StjError):
    """A step of the road failed; it has said why itself."""


@app.command()
def walk(
    images: Annotated[Path | None, typer.Option(help="Folder of 0_…/ 1_…/ 2_…/ to sell instead of drawings.")] = None,
    weights: Annotated[
        str | None, typer.Option(envvar="STJ_WEIGHTS", help="imagenet, random, or a .weights.h5 file.")
    ] = None,
    elsewhere: Annotated[
        Path | None, typer.Option(help="Pictures from other shops to judge by; IMAGES_elsewhere, if there is one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where everything lands.")] = Path("demo-out"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the shop on 127.0.0.1.")] = PORT,
    per_class: Annotated[
        int | None, typer.Option(min=8, help="Products per category; all of the folder's, or 260 drawings.")
    ] = None,
) -> None:
    """Walk the whole road: listing pages, catalogue, dataset, trained ResNet50, report."""
    if images is not None and not images.is_dir():
        raise UsageError(f"There is no folder {images}: give IMAGES= a folder with 0_…/ 1_…/ 2_…/ in it.")
    if weights is not None:
        cli.refuse_address(Path(weights))
    if elsewhere is None and images is not None:
        beside = images.resolve().with_name(f"{images.resolve().name}_elsewhere")
        elsewhere = beside if beside.is_dir() else None
    lacking = [extra for extra in ("spiders", "model") if not is_installed(extra)]
    if lacking:
        raise StepError(
            f"The demo crawls and trains: pip install 'stj[{','.join(lacking)}]', then run the same command again."
        )
    from stj_core.config import read_config
    from stj_demo.shop import PracticeShop

    began = time.monotonic()
    # A road per kind of goods: drawings and photographs do not meet in one catalogue.
    place = out / ("drawn" if images is None else images.resolve().name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "scrapy.cfg").write_text("[settings]\ndefault = stj_spiders.settings\n", encoding="utf-8")
    weights = str(Path(weights).resolve()) if weights and Path(weights).exists() else weights
    labels = labels_path(read_config().labels).resolve()
    road = Road(place, weights, labels)
    cli.say(
        "1/5  The practice shop opens"
        + (" with its own drawings" if images is None else f" with the pictures of {images}")
    )
    with PracticeShop(images, per_class=per_class, labels=labels, port=port, cache=out / "drawings") as shop:
        cli.say(f"     {shop.origin}, {len(shop.planted)} cases planted for the crawl to notice")
        cli.say("2/5  Crawl")
        road.run("python", "-m", "stj_spiders", "-L", "WARNING", "-a", f"origin={shop.origin}", "-a", "limit=100000")
        fetched = sum(asked.path.startswith("/images/") for asked in shop.requests)
        cli.say(
            f"     {fetched} pictures fetched" if fetched else "     nothing new was fetched: every picture was known"
        )
    cli.say("3/5  Catalogue")
    stats = road.json("stj-dataset", "stats")
    road.run("stj-dataset", "verify")
    cli.say("4/5  Dataset")
    road.run("stj-dataset", "export", "--split", "0.2")
    cli.say("5/5  Model")
    trained = road.train()
    judged = road.json("stj-model", "evaluate", "--on", str(elsewhere.resolve())) if elsewhere else None
    _say_results(stats, trained, judged, place)
    minutes = (time.monotonic() - began) / 60
    cli.say(f"Done in {minutes:.1f} minutes. Again: the same command. Look: {place / 'dataset' / 'preview.html'}")


class Road:
    """Commands that run in the demo's folder."""

    def __init__(self, place: Path, weights: str | None, labels: Path) -> None:
        """Set the stage.

        Args:
            place: the folder where everything lands.
            weights: for the training; None for ImageNet's, or random ones where those cannot be had.
            labels: the classes that the shop sells by.
        """
        self.place = place
        self.weights = weights
        bin_folder = str(Path(sys.executable).parent)
        self._environment = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        for name in ("STJ_CATALOG", "STJ_IMAGES", "STJ_RUNS", "STJ_ORIGIN", "STJ_WEIGHTS", "SCRAPY_SETTINGS_MODULE"):
            self._environment.pop(name, None)
        self._environment["STJ_LABELS"] = str(labels)

    def run(self, *command: str) -> None:
        """Run a command whose output people read.

        Raises:
            StepError: it failed.
        """
        code = self._run(command, None).returncode
        if code:
            raise StepError(f"{' '.join(command)} ended with exit code {code}.")

    def json(self, *command: str) -> dict[str, Any]:
        """Run a command for its JSON document.

        Raises:
            StepError: it failed.
        """
        done = self._run((*command, "--json"), subprocess.PIPE)
        if done.returncode:
            raise StepError(f"{' '.join(command)} ended with exit code {done.returncode}.")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def train(self) -> dict[str, Any]:
        """Train; without ImageNet weights go on with random ones, loudly."""
        if self.weights:
            return self.json("stj-model", "train", "--weights", self.weights)
        try:
            return self.json("stj-model", "train")
        except StepError:
            if self._imagenet_is_here():
                raise  # it failed for another reason, which was told
            cli.say("")
            cli.say("*** ImageNet weights cannot be had here: the demo goes on with RANDOM ones. ***")
            cli.say("*** The accuracies below say that the road works, not how well STJ classifies. ***")
            cli.say(
                "*** For real features: stj weights fetch, or --weights FILE.weights.h5 (make demo WEIGHTS=FILE). ***"
            )
            cli.say("")
            return self.json("stj-model", "train", "--weights", "random")

    def _imagenet_is_here(self) -> bool:
        found: Any = self.json("stj", "weights", "list")
        return any(one["here"] for one in found if one["name"] == "imagenet")

    def _run(self, command: tuple[str, ...], stdout: int | None) -> subprocess.CompletedProcess[bytes]:
        cli.say(f"     $ {' '.join(command)}")
        return subprocess.run(command, cwd=self.place, env=self._environment, stdout=stdout, check=False)  # noqa: S603 - our own commands


def _say_results(stats: dict[str, Any], trained: dict[str, Any], judged: dict[str, Any] | None, place: Path) -> None:
    cli.emit("")
    cli.emit("pictures:  " + ", ".join(f"{n} {status}" for status, n in stats["images"].items()))
    named = {
        "out_of_fold": "out of fold (five folds by group, all pictures)",
        "test": "test split",
        "val": "validation split",
    }
    for split, words in named.items():
        if trained.get(split):
            cli.emit(f"accuracy:  {_accuracy(trained[split])}  {words}")
    if judged:
        cli.emit(f"accuracy:  {_accuracy(judged)}  other shops, never trained on")
    cli.emit(f"report:    {place / 'runs' / 'latest' / 'report.html'}")


def _accuracy(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    return f"{figures['accuracy']:.3f} [{low:.3f}, {high:.3f}] of {figures['n']}"


if __name__ == "__main__":
    cli.run(app)
