"""A place that a person names: a folder of this machine, or an address such as `s3://bucket/dataset` that fsspec opens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# One letter is a drive; a path has lost one of the two slashes.
ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>.*)", re.DOTALL)
_OF_THIS_MACHINE = frozenset({"file", "local"})


@dataclass(frozen=True)
class Location:
    """A folder of this machine, or an address.

    Attributes:
        given: what the person wrote; an address that went through a `Path` has its slashes again.
    """

    given: str

    @classmethod
    def of(cls, given: str | Path | Location) -> Location:
        """The place that a text or a path means."""
        if isinstance(given, Location):
            return given
        text = str(given)
        found = ADDRESS.fullmatch(text)
        if found is None or Path(text).exists():
            return cls(text)
        slashes = ":///" if found["scheme"] in _OF_THIS_MACHINE else "://"
        rest = found["rest"].lstrip("/") if found["scheme"] in _OF_THIS_MACHINE else found["rest"]
        return cls(f"{found['scheme']}{slashes}{rest}".rstrip("/") if rest else f"{found['scheme']}{slashes}")

    def __str__(self) -> str:
        """What the person wrote."""
        return self.given

    def __truediv__(self, name: str) -> Location:
        """What lies there under a name."""
        return Location(f"{self.given}/{name}") if self.address else Location(str(self.path / name))

    @property
    def address(self) -> str | None:
        """The address; None for a folder of this machine."""
        return self.given if ADDRESS.fullmatch(self.given) and not Path(self.given).exists() else None

    @property
    def path(self) -> Path:
        """The folder of this machine."""
        return Path(self.given)

    @property
    def name(self) -> str:
        """Its last part."""
        return self.given.rstrip("/").rpartition("/")[2]
