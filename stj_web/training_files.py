"""The bytes of what a run learned from: of its dataset, or the original where the dataset is gone."""

from __future__ import annotations

from stj_catalog.lookup import stored_paths
from stj_dataset.manifest import ManifestRow
from stj_web.studio import Studio


def training_bytes(here: Studio, name: str, row: ManifestRow) -> bytes:
    """A picture of a run's dataset; who calls has asked the catalogue whether it was forgotten.

    Raises:
        FileNotFoundError: neither the dataset nor the image store has it.
    """
    try:
        return here.runs.dataset_file(name, row)
    except FileNotFoundError:
        catalog = here.catalog_or_none
        stored = stored_paths(catalog, [row.original_sha256]) if catalog else {}
        if row.original_sha256 not in stored:
            raise
        return here.store.read(stored[row.original_sha256])
