"""docs/api.md, made from the docstrings of what `import stj` offers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import stj

HEAD = """# The Python API

Made from the docstrings by `make docs`: `import stj`, in a script or a notebook; [notebooks/stj.ipynb](../notebooks/stj.ipynb)
walks it. The same road as the commands, on the same files. What goes wrong is a `stj.StjError` with a sentence that says what
to do.
"""
# An annotation, which Python keeps as text and shows in quotes.
_QUOTED = re.compile(r"""(?P<mark>: |-> )(?:'(?P<one>[^']*)'|"(?P<two>[^"]*)")""")
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$", re.MULTILINE)


def api_md() -> str:
    """The page."""
    functions = [name for name in stj.__all__ if inspect.isfunction(getattr(stj, name))]
    classes = [name for name in stj.__all__ if inspect.isclass(getattr(stj, name)) and name != "StjError"]
    parts = [HEAD]
    parts += [_entry(f"## stj.{name}", f"stj.{name}", getattr(stj, name)) for name in functions]
    for name in classes:
        parts.append(f"## stj.{name}\n\n{_prose(getattr(stj, name))}")
        parts += [_entry(f"### {name}.{one}", one, member) for one, member in _members(getattr(stj, name))]
    return "\n".join(parts)


def _members(made: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(made).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield name, member


def _entry(head: str, name: str, member: Any) -> str:  # noqa: ANN401 - a function or a property
    if isinstance(member, property):
        return f"{head}\n\n{_prose(member)}"
    signature = str(inspect.signature(member)).replace("(self, ", "(").replace("(self)", "()")
    signature = _QUOTED.sub(lambda found: found["mark"] + (found["one"] or found["two"]), signature)
    return f"{head}\n\n```python\n{name}{signature}\n```\n\n{_prose(member)}"


def _prose(member: object) -> str:
    """A docstring as Markdown: its sections as lists."""
    text = inspect.getdoc(member) or ""
    lines = []
    for line in text.splitlines():
        if _SECTION.match(line):
            lines += [f"**{line[:-1]}**", ""]
        elif line.startswith("    ") and not line.startswith("     ") and lines and _is_entry(line):
            name, _, words = line.strip().partition(": ")
            lines.append(f"- `{name}`: {words}")
        elif line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines).strip() + "\n"


def _is_entry(line: str) -> bool:
    return re.match(r"^    \w+: ", line) is not None
