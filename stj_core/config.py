"""Every setting that the rooms share, read once into one frozen object.

Options beat the environment, the environment beats the defaults; relative paths start at the working directory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stj_core.errors import UsageError
from stj_core.shops.shop import DEFAULT_SHOP, SHOPS

LOCAL_CLUSTER = re.compile(r"local(?::(?P<workers>[1-9]\d{0,3}))?")
REMOTE_CLUSTER = re.compile(r"(?:tcp|tls)://\S+:\d+")
CLUSTERS = "local, local:4, or a scheduler such as tcp://scheduler:8786"
# One letter is a drive; a path has lost one of the two slashes.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_IN_MEMORY = re.compile(r"sqlite(?:\+\w+)?://(?:/?$|/?\?|/:memory:|.*[?&]mode=memory)")
_DATABASES = ("sqlite", "postgresql")


class Config(BaseSettings):
    """The shared settings; each is also an environment variable, ``STJ_`` and its name in capitals."""

    # A variable that is there and empty says nothing: an empty name of a folder would be the folder one stands in.
    model_config = SettingsConfigDict(
        env_prefix="STJ_", env_ignore_empty=True, frozen=True, extra="forbid", populate_by_name=True
    )

    catalog: str = Field("catalog.sqlite", description="SQLite file or SQLAlchemy URL of the catalogue")
    images: str = Field("images", description="folder or fsspec URL of the image store")
    origin: str = Field(SHOPS[DEFAULT_SHOP].ORIGIN, description="scheme and host of the shop")
    labels: Path | None = Field(None, description="another labels.toml")
    contact: str = Field("", description="an address or URL that goes into the user agent")
    weights: str = Field("imagenet", description="imagenet, random, or a .weights.h5 file")
    cluster: str = Field("", description="workers for heavy work: local, local:4, or the address of a Dask scheduler")
    runs: Path = Field(Path("runs"), description="folder of training runs")
    cache: Path = Field(Path("cache"), description="thumbnails and features; always safe to delete")
    features: str = Field(
        "", description="folder or fsspec URL of features that machines share; beside those in the cache"
    )
    picture_hosts: str = Field(
        "", description="hosts, separated by commas, that predict may ask for pictures wherever they are"
    )
    duplicate_bits: int = Field(
        8, ge=0, le=64, description="pHash-64 distance up to which two pictures may be duplicates"
    )
    duplicate_bits256: int = Field(22, ge=0, le=256, description="pHash-256 distance that confirms duplicates")
    related_bits: int = Field(10, ge=0, le=64, description="pHash-64 distance up to which two pictures may be related")
    related_bits256: int = Field(32, ge=0, le=256, description="pHash-256 distance that confirms relatives")

    young_seconds: float = Field(
        900, ge=0, description="files of the image store younger than this are left alone by repairs"
    )

    warc: Path | None = Field(
        None, description="folder in which crawls keep their pages, which forgetting looks through"
    )

    @field_validator("origin")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError("an origin is a scheme and a host, such as https://www.amazon.in")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("related_bits", "related_bits256")
    @classmethod
    def _reaches_duplicates(cls, value: int, info: ValidationInfo) -> int:
        least = info.data.get(str(info.field_name).replace("related", "duplicate"), 0)
        if value < least:
            raise ValueError(f"duplicates ({least} bits) are relatives too, so it is {least} or more")
        return value

    @field_validator("runs", "cache", "labels", "weights", "warc", mode="before")
    @classmethod
    def _is_here(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - pydantic hands over whatever was given
        if isinstance(value, str | Path) and _ADDRESS.match(str(value)) and not Path(value).exists():
            thing = "file" if info.field_name in {"labels", "weights"} else "folder"
            raise ValueError(
                f"it is a {thing} of this machine: only the catalogue (STJ_CATALOG), pictures (STJ_IMAGES), features "
                "(STJ_FEATURES), and datasets and runs that a command names may lie elsewhere"
            )
        return value

    @field_validator("catalog", "images")
    @classmethod
    def _is_named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it names nothing")
        return value

    @field_validator("catalog")
    @classmethod
    def _is_database(cls, value: str) -> str:
        if value == ":memory:" or _IN_MEMORY.match(value):
            raise ValueError(
                "it would be gone with the command: a catalogue is an SQLite file, or a database elsewhere"
            )
        if "://" in value and not value.startswith(_DATABASES):
            raise ValueError(
                "a catalogue is an SQLite file, or a database such as postgresql+psycopg://stj@db.example.org/stj"
            )
        return value

    @field_validator("cluster")
    @classmethod
    def _is_cluster(cls, value: str) -> str:
        if value and not (LOCAL_CLUSTER.fullmatch(value) or REMOTE_CLUSTER.fullmatch(value)):
            raise ValueError(f"it is {CLUSTERS}")
        return value

    @field_validator("labels", "warc", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was given
        return value or None

    @property
    def catalog_url(self) -> str:
        """The catalogue as a SQLAlchemy URL."""
        return self.catalog if "://" in self.catalog else f"sqlite:///{self.catalog}"


def read_config(**options: object) -> Config:
    """Read the settings; an option that is None counts as not given.

    Raises:
        UsageError: a value cannot be right.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Config(**given)  # type: ignore[arg-type]  # pydantic checks the values itself
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"STJ_{name.upper()} cannot be {first.get('input')!r}: {first['msg'].removeprefix('Value error, ')}."
        ) from error
