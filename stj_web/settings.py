"""The studio's own settings, read once; each is also an environment variable, ``STJ_WEB_`` and its name in capitals."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stj_core.errors import UsageError

SHORTEST_TOKEN = 16
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class WebConfig(BaseSettings):
    """How the studio is served and what it lets in."""

    model_config = SettingsConfigDict(env_prefix="STJ_WEB_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    hosts: str = Field("", description="further names that the studio is reached by, with commas between them")
    token: str = Field("", description="what writes need when the studio listens to more than this machine")
    secret: str = Field("", description="signs the session cookie; the same for all processes of one studio")
    tls: bool = Field(False, description="the studio is reached over HTTPS only: its cookie never travels without")
    threads: int = Field(12, ge=2, le=256, description="requests answered at once")
    connections: int = Field(512, ge=8, le=4_096, description="connections at once; the oldest unfinished makes way")
    connections_per_address: int = Field(64, ge=4, le=4_096, description="connections of one address at once")
    header_seconds: float = Field(10.0, ge=0.1, le=600, description="seconds for the header of a request")
    body_seconds: float = Field(300.0, ge=0.1, le=7_200, description="seconds for an upload")
    idle_seconds: float = Field(60.0, ge=1, le=3_600, description="seconds without a byte, either way")
    unfinished_mb: int = Field(320, ge=1, le=100_000, description="megabytes that uploads under way may hold together")
    decoders: int = Field(2, ge=1, le=32, description="pictures decoded at once")
    waiting: int = Field(64, ge=1, le=10_000, description="pictures that may wait for a decoder or the model")
    max_request_mb: int = Field(80, ge=1, le=4_000, description="megabytes of one request")
    max_files: int = Field(32, ge=1, le=1_000, description="pictures in one request")
    classify_rate: str | None = Field(None, description="such as '60 per minute' for each visitor; '' for no limit")
    reviewer: str = Field("", description="whose name decisions carry until a reviewer gives one")
    scrapyd: str = Field("http://127.0.0.1:6800", description="scrapyd's address; '' for none")
    scrapyd_project: str = Field("stj", description="STJ's name in scrapyd")

    @field_validator("scrapyd")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc):
            raise ValueError("scrapyd's address looks like http://127.0.0.1:6800")
        return value.rstrip("/")

    @field_validator("token")
    @classmethod
    def _is_no_guess(cls, value: str) -> str:
        if 0 < len(value) < SHORTEST_TOKEN:
            raise ValueError(f"it needs {SHORTEST_TOKEN} characters or more; openssl rand -hex 24 makes one")
        return value

    @field_validator("classify_rate")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        # A limit that cannot be read would be no limit.
        if value:
            try:
                parse_many(value)
            except ValueError:
                raise ValueError("a rate looks like '60 per minute'") from None
        return value

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the studio."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that the Host header may say."""
        own = {self.host.lower()} - {"0.0.0.0", "::"}  # noqa: S104 - these are listened on, never visited
        return LOOPBACK_NAMES | own | {name.strip().lower() for name in self.hosts.split(",") if name.strip()}

    @property
    def rate(self) -> str:
        """The limit on classifying for each visitor; empty for none."""
        if self.classify_rate is not None:
            return self.classify_rate
        return "" if self.on_loopback else "60 per minute"


def read_web_config(**options: object) -> WebConfig:
    """Read the settings; an option that is None counts as not given.

    Raises:
        UsageError: a value cannot be right.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return WebConfig(**given)  # type: ignore[arg-type]  # pydantic checks the values itself
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        shown = "what it is" if name == "TOKEN" else repr(first.get("input"))
        raise UsageError(f"STJ_WEB_{name} cannot be {shown}: {reason}.") from error
