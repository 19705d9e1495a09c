"""The crawl's own settings, read once from Scrapy's; what the rooms share is in `stj_core.config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from scrapy.settings import BaseSettings

from stj_core.errors import UsageError
from stj_core.shops.shop import DEFAULT_SHOP, SHOPS
from stj_spiders.on_end import read_command

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
Render = Literal["never", "auto", "always"]


@dataclass(frozen=True)
class Pace:
    """How fast we may ask, in seconds and requests.

    Attributes:
        page_seconds: least gap between two listing or product pages of a host.
        picture_seconds: least gap between two pictures of a host.
        pictures_at_once: pictures of a host in the air at one time.
        jitter: gaps grow at random by up to this share.
        given: whether somebody set the gaps; only then do they hold on this machine itself too.
    """

    page_seconds: float
    picture_seconds: float
    pictures_at_once: int
    jitter: float
    given: bool


@dataclass(frozen=True)
class Patience:
    """What to do when the shop turns us away.

    Attributes:
        cool_seconds: first pause after a blocked answer; it doubles with each further one.
        cool_most_seconds: longest pause of our own.
        delay_most_seconds: longest wait of any kind, `Crawl-delay` and `Retry-After` among them; above it the crawl ends.
        blocks: blocked answers in a row that end the crawl.
    """

    cool_seconds: float
    cool_most_seconds: float
    blocks: int
    delay_most_seconds: float = 300.0


@dataclass(frozen=True)
class CrawlConfig:
    """Everything a crawl is told by settings."""

    pace: Pace
    patience: Patience
    render: Render
    render_hosts: tuple[str, ...]
    picture_hosts: tuple[str, ...]
    opt_out_obey: bool
    image_size: str
    min_width: int
    min_height: int
    lease_seconds: float
    away_seconds: float
    coverage_min: float
    warc: str
    summary: Literal["table", "json"]
    on_end: tuple[str, ...]

    @classmethod
    def from_settings(cls, settings: BaseSettings, shop: str = DEFAULT_SHOP) -> CrawlConfig:
        """Read the settings.

        Args:
            settings: Scrapy's.
            shop: whose sizes of pictures are meant.

        Raises:
            UsageError: a value cannot be right, or a name is none of ours.
        """
        _known_names(settings)
        pace = Pace(
            page_seconds=_number(settings, "STJ_PAGE_SECONDS", least=0),
            picture_seconds=_number(settings, "STJ_PICTURE_SECONDS", least=0),
            pictures_at_once=int(_number(settings, "STJ_PICTURES_AT_ONCE", least=1)),
            jitter=_number(settings, "STJ_JITTER", least=0),
            given=any(
                (settings.getpriority(name) or 0) > _PROJECT for name in ("STJ_PAGE_SECONDS", "STJ_PICTURE_SECONDS")
            ),
        )
        patience = Patience(
            cool_seconds=_number(settings, "STJ_COOL_SECONDS", least=0),
            cool_most_seconds=_number(settings, "STJ_COOL_MOST_SECONDS", least=0),
            blocks=int(_number(settings, "STJ_BLOCKS", least=1)),
            delay_most_seconds=_number(settings, "STJ_DELAY_MOST_SECONDS", least=0),
        )
        size = settings.get("STJ_IMAGE_SIZE")
        size = SHOPS[shop].IMAGE_SIZE if size is None else size
        try:
            SHOPS[shop].sized_image_url("https://shop.invalid/picture.jpg", size)
        except ValueError as error:
            raise UsageError(
                f"STJ_IMAGE_SIZE cannot be {size!r}: it looks like {SHOPS[shop].IMAGE_SIZE}, or is empty for the original."
            ) from error
        return cls(
            pace=pace,
            patience=patience,
            render=cast("Render", _word(settings, "STJ_RENDER", ("never", "auto", "always"))),
            render_hosts=tuple(settings.getlist("STJ_RENDER_HOSTS")),
            picture_hosts=tuple(filter(None, map(str.strip, settings.getlist("STJ_PICTURE_HOSTS")))),
            opt_out_obey=_flag(settings, "STJ_OPT_OUT_OBEY"),
            image_size=size,
            min_width=int(_number(settings, "IMAGES_MIN_WIDTH", least=0)),
            min_height=int(_number(settings, "IMAGES_MIN_HEIGHT", least=0)),
            lease_seconds=_number(settings, "STJ_LEASE_SECONDS", least=1),
            away_seconds=_number(settings, "STJ_AWAY_SECONDS", least=0),
            coverage_min=_number(settings, "STJ_COVERAGE_MIN", least=0, most=1),
            warc=_folder(settings, "STJ_WARC"),
            summary=cast('Literal["table", "json"]', _word(settings, "STJ_SUMMARY", ("table", "json"))),
            on_end=tuple(read_command(settings.get("STJ_ON_END"))),
        )


def _folder(settings: BaseSettings, name: str) -> str:
    """A folder of this machine, or nothing."""
    given = str(settings.get(name) or "")
    if "://" in given and not Path(given).exists():
        raise UsageError(
            f"{name} cannot be {given!r}: it is a folder of this machine; only pictures (STJ_IMAGES) and the catalogue may lie "
            "elsewhere."
        )
    return given


_PROJECT = 20  # Scrapy's priority of a project's own settings: above it somebody said so


def check_log_level(settings: BaseSettings) -> None:
    """See that the log can be opened, which Scrapy does before it knows any spider.

    Raises:
        UsageError: there is no such level.
    """
    _word(settings, "LOG_LEVEL", LOG_LEVELS)


def _known_names(settings: BaseSettings) -> None:
    """A mistyped setting would be passed over in silence, and the shop asked faster than was meant."""
    from stj_spiders import settings as ours

    known = [name for name in dir(ours) if name.startswith("STJ_")]
    unknown = sorted(name for name in settings if name.startswith("STJ_") and name not in known)
    if unknown:
        raise UsageError(
            f"There is no setting {', '.join(unknown)}: a crawl takes {', '.join(known)}; "
            "where things go is said in the environment."
        )


def _number(settings: BaseSettings, name: str, *, least: float, most: float = float("inf")) -> float:
    given: Any = settings.get(name)
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = float("nan")
    if not least <= value <= most:
        bounds = f"{least:g} or more" if most == float("inf") else f"between {least:g} and {most:g}"
        raise UsageError(f"{name} must be a number, {bounds}, got {given!r}.")
    return value


def _flag(settings: BaseSettings, name: str) -> bool:
    try:
        return settings.getbool(name)
    except ValueError as error:
        raise UsageError(f"{name} must be True or False, got {settings.get(name)!r}.") from error


def _word(settings: BaseSettings, name: str, words: tuple[str, ...]) -> str:
    value = str(settings.get(name))
    if value not in words:
        raise UsageError(f"{name} must be one of {', '.join(words)}, got {value!r}.")
    return value
