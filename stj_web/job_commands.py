"""What a job may run: STJ's own commands with checked arguments, and what their outcome says to a person."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stj_core.cli import counted
from stj_core.config import Config
from stj_web.errors import RefusalError
from stj_web.job_files import Job, Step

LOOP = ("export", "train", "compare")
RECIPES = ("default", "thorough", "paper")
WEIGHTS = ("as set", "imagenet", "random")
_PAGES_MOST, _LIMIT_MOST = 200, 100_000
# What others must not know, and what the studio's own settings are.
_WITHHELD = ("STJ_WEB_", "FLASK_", "WERKZEUG_")


@dataclass(frozen=True)
class Skipped:
    """A step that is not run, and why."""

    why: str


def loop_options(given: Mapping[str, str]) -> dict[str, Any]:
    """The settings of an export, a training and a comparison, from a form.

    Raises:
        RefusalError: one of them cannot be right.
    """
    return {
        "split": _share(given, "split", 0.2, least=False),
        "test": _share(given, "test", 0.1, least=True),
        "seed": _whole(given, "seed", 0, 2**31 - 1) if given.get("seed", "").strip() else 42,
        "recipe": _word(given, "recipe", RECIPES),
        "weights": _word(given, "weights", WEIGHTS),
        "epochs": _whole(given, "epochs", 1, 500) if given.get("epochs", "").strip() else None,
    }


def crawl_options(given: Mapping[str, str], origin: str) -> dict[str, Any]:
    """The arguments of a crawl, from a form; the class is checked by whoever knows the classes.

    Raises:
        RefusalError: one of them cannot be right.
    """
    options: dict[str, Any] = {"origin": origin}
    for name, most in (("pages", _PAGES_MOST), ("limit", _LIMIT_MOST)):
        if given.get(name, "").strip():
            options[name] = str(_whole(given, name, 1, most))
    for name in ("details", "fresh"):
        if given.get(name):
            options[name] = "1"
    return options


def command_of(step: Step, job: Job) -> list[str] | Skipped:
    """What a step runs, knowing what the steps before it gave."""
    told = job.options
    if step.name == "crawl":
        pairs = [f"{name}={value}" for name, value in told.items() if name != "spider"]
        return [
            sys.executable, "-m", "scrapy", "crawl", str(told["spider"]), "-s", "STJ_SUMMARY=json",
            *(part for pair in pairs for part in ("-a", pair)),
        ]  # fmt: skip
    if step.name == "export":
        return _stj("stj_dataset", "export", "--split", told["split"], "--test", told["test"], "--seed", told["seed"])
    if step.name == "train":
        more = [] if told["weights"] == "as set" else ["--weights", told["weights"]]
        more += [] if told["epochs"] is None else ["--epochs", told["epochs"]]
        return _stj("stj_model", "train", "--recipe", told["recipe"], "--seed", told["seed"], *more)
    train = job.step("train")
    run = (train.result or {}).get("run") if train else None
    before = told.get("before")
    if not before:
        return Skipped("There was no run before to compare with.")
    if not isinstance(run, str) or run == before:
        return Skipped("The training made no new run to compare.")
    return _stj("stj_model", "compare", before, run)


def environment(config: Config) -> dict[str, str]:
    """What the commands find: the studio's own places, whatever options it was started with; none of its secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    return kept | {
        "STJ_CATALOG": config.catalog_url,
        "STJ_IMAGES": str(config.images),
        "STJ_RUNS": str(config.runs),
        "STJ_CACHE": str(config.cache),
        "STJ_ORIGIN": config.origin,
        "SCRAPY_SETTINGS_MODULE": kept.get("SCRAPY_SETTINGS_MODULE", "stj_spiders.settings"),
        "PYTHONUNBUFFERED": "1",
    }


def outcome_of(step: Step, code: int, output: str, talk: list[str]) -> tuple[str, dict[str, Any] | None]:
    """What a command's end says: a sentence for a person, and what it gave as JSON."""
    if code:
        said = talk[-1].strip() if talk else ""
        return said or f"{step.name} ended with exit code {code} and said nothing.", None
    try:
        result = json.loads(output) if output.strip() else None
    except ValueError:
        result = None
    told = result if isinstance(result, dict) else None
    sentence = _SENTENCES.get(step.name, _last)(told or {}, talk)
    return sentence, told


def _exported(told: dict[str, Any], _talk: list[str]) -> str:
    counts = {split: sum(classes.values()) for split, classes in told.get("splits", {}).items()}
    parts = ", ".join(f"{split} {n:,}" for split, n in counts.items())
    held = f"; {told['withheld']:,} withheld" if told.get("withheld") else ""
    return f"{counted(sum(counts.values()), 'picture')}: {parts}{held}. No group is in two splits."


def _trained(told: dict[str, Any], talk: list[str]) -> str:
    from stj_model.evaluation import sentence
    from stj_model.runs import HEADLINES

    figure = next((told[split] for split in HEADLINES if isinstance(told.get(split), dict)), None)
    return f"Run {told.get('run')}; {sentence(figure)}." if figure else _last(told, talk)


def _compared(told: dict[str, Any], talk: list[str]) -> str:
    from stj_model.compare import Discordant, RunComparison

    try:
        names = RunComparison.__dataclass_fields__
        held = {name: told[name] for name in names}
        return RunComparison(**held | {"discordant": tuple(Discordant(**one) for one in told["discordant"])}).sentence()
    except (KeyError, TypeError, ValueError):
        return _last(told, talk)


def _crawled(told: dict[str, Any], talk: list[str]) -> str:
    try:
        pages, cards, new = (int(told[name]) for name in ("pages", "cards", "new"))
        kept = int(told["images"].get("kept", 0))
    except (KeyError, TypeError, ValueError, AttributeError):
        return _last(told, talk)
    return f"{counted(pages, 'page')}, {counted(cards, 'card')}, {counted(new, 'new picture')}; {kept:,} of the crawl's are kept."


def _last(_told: dict[str, Any], talk: list[str]) -> str:
    return talk[-1].strip() if talk else "Done."


_SENTENCES: dict[str, Callable[[dict[str, Any], list[str]], str]] = {
    "export": _exported,
    "train": _trained,
    "compare": _compared,
    "crawl": _crawled,
}


def _stj(room: str, *words: object) -> list[str]:
    """A command of a room, by the studio's own Python, whose answer is JSON."""
    return [sys.executable, "-c", f"from {room}.cli import main; main()", *map(str, words), "--json"]


def _word(given: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    value = given.get(name, "").strip() or words[0]
    if value not in words:
        raise RefusalError(400, "bad_request", f"{name} is one of {', '.join(words)}; got {value[:60]}.")
    return value


def _whole(given: Mapping[str, str], name: str, low: int, high: int) -> int:
    value = given.get(name, "").strip()
    if not re.fullmatch(r"[0-9]{1,10}", value) or not low <= int(value) <= high:
        raise RefusalError(400, "bad_request", f"{name} is a whole number from {low} to {high}; got {value[:20]}.")
    return int(value)


def _share(given: Mapping[str, str], name: str, default: float, *, least: bool) -> float:
    value = given.get(name, "").strip()
    if not value:
        return default
    fits = re.fullmatch(r"0?\.[0-9]{1,6}|0" if least else r"0?\.[0-9]{1,6}", value)
    if not fits or (float(value) == 0 and not least):
        words = "at least 0 and less than 1" if least else "more than 0 and less than 1"
        raise RefusalError(400, "bad_request", f"{name} is a share, {words}; got {value[:20]}.")
    return float(value)
