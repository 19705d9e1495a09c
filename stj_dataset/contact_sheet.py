"""A contact sheet of the groups that share a picture or a product, for a person to judge: pages of thumbnails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stj_catalog.catalog import chunks
from stj_catalog.dedupe import DedupeReport
from stj_catalog.group_members import GroupMember
from stj_dataset.html import Thumbnail, render, write_page
from stj_images.decode import thumbnail
from stj_images.store import ImageStore

_PER_PAGE = 100


@dataclass(frozen=True)
class _Group:
    number: int
    pictures: Sequence[Thumbnail]


def write_sheet(
    file: Path, groups: Mapping[int, Sequence[GroupMember]], report: DedupeReport, store: ImageStore, *, dry_run: bool
) -> list[Path]:
    """Write the sheet, a hundred groups a page: FILE, FILE-2, …; returns the pages."""
    parts = list(chunks(sorted(groups.items()), _PER_PAGE)) or [[]]
    pages = [file if number == 1 else file.with_stem(f"{file.stem}-{number}") for number in range(1, len(parts) + 1)]
    for number, (page, part) in enumerate(zip(pages, parts, strict=True)):
        shown = [_Group(group, [_picture(one, store) for one in members]) for group, members in part]
        text = render(
            "groups.html",
            groups=shown,
            report=report,
            dry_run=dry_run,
            page=number + 1,
            pages=[one.name for one in pages],
        )
        write_page(page, text)
    return pages


def _picture(one: GroupMember, store: ImageStore) -> Thumbnail:
    try:
        data = store.read(one.path) if one.path else b""
    except OSError:
        data = b""
    state = f"{one.status}: {one.reason}" if one.reason else one.status
    label = "no class" if one.label is None else f"class {one.label}"
    return Thumbnail(
        picture=thumbnail(data),
        caption=f"{one.id}: {state}",
        hint=f"picture {one.id}, {state}, {label}, {one.key}",
        lines=(f"{one.width} × {one.height}, {label}", one.alike),
    )
