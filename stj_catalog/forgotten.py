"""Which checksums belong to pictures that were forgotten: whoever hands out a picture asks here first."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from stj_catalog.catalog import Catalog, chunks
from stj_catalog.schema import export_images, images
from stj_core.vocabulary import Reason, Status


def forgotten_among(catalog: Catalog, checksums: Iterable[str]) -> set[str]:
    """Those of some checksums whose picture was forgotten.

    Args:
        catalog: where the tombstones are.
        checksums: sha256 of original bytes, or of files that an export wrote (a converted file has another one).
    """
    found: set[str] = set()
    with catalog.read() as connection:
        tombstones = list(
            connection.execute(select(images.c.id).where(images.c.status == Status.FORGOTTEN.value)).scalars()
        )
        for some in chunks(sorted(set(checksums))):
            originals = select(images.c.sha256, images.c.status, images.c.reason).where(images.c.sha256.in_(some))
            found |= {
                row.sha256
                for row in connection.execute(originals)
                if row.status == Status.FORGOTTEN or row.reason == Reason.FORGOTTEN_COPY
            }
            # From the few tombstones to what was written of them, which needs no look at every exported file.
            for few in chunks(tombstones):
                written = select(export_images.c.sha256).where(
                    export_images.c.image_id.in_(few), export_images.c.sha256.in_(some)
                )
                found |= set(connection.execute(written).scalars())
    return found
