"""`croissant.json`: the dataset as Croissant 1.0 describes it (https://docs.mlcommons.org/croissant), for tools that read that.

Every column of the manifest is a field of the record set `pictures`; `images` gives the pixels with label and split, joined by
the name of the file; classes and splits are enumerations. Nothing in it comes from the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stj_core.files import file_sha256, write_json
from stj_dataset.balance import Balance
from stj_dataset.manifest import COLUMNS, CROISSANT, MANIFEST, column_type
from stj_dataset.settings import ExportSettings

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(root: Path, settings: ExportSettings, balance: Balance, digest: str) -> None:
    """Write the description of the dataset in a folder; its manifest is there already."""
    write_json(_document(root, settings, balance, digest), root / CROISSANT)


def _document(root: Path, settings: ExportSettings, balance: Balance, digest: str) -> dict[str, Any]:
    names = ", ".join(balance.classes.values())
    records = [_labels(balance.classes), _splits(balance), _records(balance)]
    if settings.format == "folder":
        records.append(_images(balance))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"stj-{digest[:12]}",
        "description": f"Shop photographs of {names} for image classification, split by group; made by stj-dataset export.",
        "license": "Shop photographs belong to their makers; no licence comes with them. For study only.",
        "url": f"urn:sha256:{digest}",
        "version": f"1.0.0+{digest[:12]}",
        "isLiveDataset": False,
        "distribution": [_manifest(root), *_files(root, settings)],
        "recordSet": records,
    }


def _manifest(root: Path) -> dict[str, Any]:
    """The manifest; provenance.csv is not described, because its bytes depend on when and in which crawl a picture was met."""
    return {
        "@type": "cr:FileObject",
        "@id": MANIFEST,
        "name": MANIFEST,
        "description": "One line for each picture.",
        "contentUrl": MANIFEST,
        "encodingFormat": "text/csv",
        "sha256": file_sha256(root / MANIFEST),
    }


def _files(root: Path, settings: ExportSettings) -> Iterator[dict[str, Any]]:
    """The pictures: one set of files, or the shards."""
    if settings.format == "webdataset":
        for path in sorted(root.rglob("*.tar")):
            name = path.relative_to(root).as_posix()
            yield {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": "application/x-tar",
                "sha256": file_sha256(path),
            }
        return
    yield {
        "@type": "cr:FileSet",
        "@id": "jpegs",
        "name": "jpegs",
        "description": "The pictures, those of none of the classes too.",
        "encodingFormat": "image/jpeg",
        "includes": "*.jpg",
    }


def _labels(classes: Mapping[int, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "labels",
        "name": "labels",
        "description": "The classes; a picture of none of them has no label.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "labels/label"},
        "field": [_field("labels", "label", "sc:Integer"), _field("labels", "name", "sc:Text")],
        "data": [{"labels/label": label, "labels/name": name} for label, name in sorted(classes.items())],
    }


def _splits(balance: Balance) -> dict[str, Any]:
    terms = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [_field("splits", "name", "sc:Text"), _field("splits", "url", "sc:URL")],
        "data": [{"splits/name": split, "splits/url": terms[split]} for split in balance.splits],
    }


def _records(balance: Balance) -> dict[str, Any]:
    """The manifest's columns."""
    keys = {"split": "splits/name"} | ({} if balance.others else {"label": "labels/label"})
    fields = [_column("pictures", name, balance) for name in COLUMNS]
    for name, key in keys.items():
        fields[COLUMNS.index(name)]["references"] = {"field": {"@id": key}}
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "One record for each picture: the manifest.",
        "key": {"@id": "pictures/file"},
        "field": fields,
    }


def _images(balance: Balance) -> dict[str, Any]:
    """The pictures themselves, each with its label and split: what a training needs."""
    name = _column("images", "file", balance)
    # Names are unique in a dataset, and readers disagree about where a path begins.
    name["source"]["transform"] = {"regex": "^(?:.*/)?([^/]+)$"}
    name |= {"@id": "images/filename", "name": "filename"}
    name["references"] = {"fileSet": {"@id": "jpegs"}, "extract": {"fileProperty": "filename"}}
    content = {"fileSet": {"@id": "jpegs"}, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "One record for each picture, with its pixels.",
        "key": {"@id": "images/filename"},
        "field": [
            name,
            {**_field("images", "image", "sc:ImageObject"), "source": content},
            *(_column("images", column, balance) for column in ("label", "split")),
        ],
    }


def _column(records: str, name: str, balance: Balance) -> dict[str, Any]:
    """A field that is a column of the manifest.

    Readers know no whole number that may be missing: where there are pictures of none of the classes, labels are fractions.
    """
    kind = {"str": "sc:Text", "int": "sc:Integer"}.get(column_type(name), "sc:Float")
    if name == "label" and not balance.others:
        kind = "sc:Integer"
    source = {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}}
    return {**_field(records, name, kind), "source": source}


def _field(records: str, name: str, kind: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{records}/{name}", "name": name, "dataType": kind}
