"""`docs/catalog.md` and `metadata.yaml`, made from the schema and the queries: what they say cannot drift from what is."""

from __future__ import annotations

import json
from textwrap import dedent, indent

from sqlalchemy import Column, Table

from docs.queries import GALLERY, QUERIES, Query
from stj_catalog.schema import VIEWS, metadata

_INTRO = """
# The catalogue

One SQLite file (`catalog.sqlite`, or `STJ_CATALOG`) or a PostgreSQL database (`STJ_CATALOG=postgresql+psycopg://…`) says of every
picture what it is, whence it came, when, and why it is kept or not. This page is made from the schema (`make docs`).

- A picture has exactly one status: `kept`; `duplicate` of a kept one; `quarantined` until somebody knows better; `rejected`;
  `forgotten`. Nothing is dropped without a row and a reason.
- Times are ISO 8601 text in UTC, hashes hex text in lower case.
- Read it with any tool while a crawl writes. Write only through STJ: the rules below hold because every writer keeps them.

To look around in a browser, with pictures, facets and the queries below:

```
pip install datasette datasette-json-html
stj init    # writes metadata.yaml beside the catalogue
datasette catalog.sqlite --metadata metadata.yaml --static images:images
```
"""
_TYPES = {
    "INTEGER": "integer",
    "TEXT": "text",
    "FLOAT": "number",
    "DOUBLE": "number",
    "BOOLEAN": "yes/no",
    "JSON": "JSON",
}
_FACETS = {
    "images": ["status", "label", "reason", "format", "duplicate_kind"],
    "sightings": ["crawl_id", "category_id", "sponsored", "reason"],
    "pages": ["crawl_id", "kind", "state", "verdict"],
    "crawls": ["spider", "state"],
    "likenesses": ["kind", "way"],
    "reviews": ["action", "reviewer"],
    "export_images": ["export_id", "split", "label", "reason"],
    "image_provenance": ["label", "status", "reason", "sponsored", "spider"],
    "label_counts": ["label", "status"],
    "duplicate_pairs": ["kind"],
}
_VIEW_WORDS = {
    "image_provenance": "One row per sighting: the picture, its product, the page and the crawl that showed it.",
    "label_counts": "Pictures by class, status and reason.",
    "duplicate_pairs": "Each duplicate beside the kept picture that it duplicates, with both paths.",
    "crawl_yield": "What each crawl brought: pages, cards, pictures, new pictures, kept pictures.",
}


def catalog_md() -> str:
    """The page about the catalogue's tables, views and queries."""
    parts = [_INTRO.strip(), "## Tables", *(_table(table) for table in metadata.sorted_tables)]
    parts += ["## Views", *(f"### {name}\n\n{_VIEW_WORDS[name]}" for name in VIEWS)]
    parts += ["## Questions", *(_question(query) for query in QUERIES)]
    return "\n\n".join(parts) + "\n"


def metadata_yaml() -> str:
    """Datasette's description of the catalogue: titles, facets, columns and the queries."""
    lines = [
        "# Made by `make docs`: datasette catalog.sqlite --metadata metadata.yaml --static images:images",
        "title: STJ catalogue",
        "description: What every picture is, whence it came, when, and why it is kept or not.",
        "databases:",
        "  catalog:",
        "    tables:",
    ]
    for table in metadata.sorted_tables:
        lines += _datasette_table(table.name, table.comment or "", table)
    for name in VIEWS:
        lines += _datasette_table(name, _VIEW_WORDS[name], None)
    lines.append("    queries:")
    for query in (GALLERY, *QUERIES):
        lines += [f"      {query.name}:", f"        title: {_quoted(query.question)}", "        sql: |-"]
        lines.append(indent(query.sql.strip(), " " * 10))
    return "\n".join(lines) + "\n"


def _table(table: Table) -> str:
    rows = ["| column | type | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{column.name}` | {_type(column)} | {_meaning(column)} |" for column in table.columns]
    return f"### {table.name}\n\n{table.comment}\n\n" + "\n".join(rows)


def _type(column: Column[object]) -> str:
    return _TYPES[str(column.type).split("(")[0]] + ("" if column.nullable else ", always there")


def _meaning(column: Column[object]) -> str:
    words = [column.comment] if column.comment else []
    if column.primary_key:
        words.append("key")
    words += [f"row of `{key.column.table.name}`" for key in column.foreign_keys]
    return "; ".join(words)


def _question(query: Query) -> str:
    return f"### {query.question}\n\n```sql\n{dedent(query.sql).strip()}\n```"


def _datasette_table(name: str, description: str, table: Table | None) -> list[str]:
    lines = [f"      {name}:", f"        description: {_quoted(description)}"]
    if name in _FACETS:
        lines.append(f"        facets: [{', '.join(_FACETS[name])}]")
    if table is not None and "id" in table.columns:
        lines.append("        sort_desc: id")
    said = [column for column in table.columns if column.comment] if table is not None else []
    if said:
        lines.append("        columns:")
        lines += [f"          {column.name}: {_quoted(column.comment or '')}" for column in said]
    return lines


def _quoted(words: str) -> str:
    """A YAML string in double quotes: JSON's are the same."""
    return json.dumps(words, ensure_ascii=False)
