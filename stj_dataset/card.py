"""The card of a dataset, `README.md`: what it holds, whence, how it was split, its known faults, and whose pictures they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stj_core.cli import counted
from stj_core.text import markdown_inert
from stj_core.vocabulary import Withheld, sentence_of
from stj_dataset.balance import Balance
from stj_dataset.manifest import NONE, PROVENANCE, ManifestRow
from stj_dataset.settings import ExportSettings
from stj_dataset.write import Written

_MOST_SOURCES = 20


@dataclass
class Origins:
    """Whence the pictures of the classes and the others came, gathered while they are written."""

    sources: Counter[str] = field(default_factory=Counter)
    converted: int = 0

    def add(self, one: Written) -> ManifestRow:
        """Take note of one picture; returns its row of the manifest."""
        self.sources[one.row.source] += 1
        self.converted += not one.copied
        return one.row


def card(settings: ExportSettings, balance: Balance, origins: Origins, proof: str, digest: str) -> str:
    """The card as Markdown, with the front matter that Hugging Face reads."""
    return "\n".join(
        [
            *_front_matter(settings, balance),
            f"# {' · '.join(map(markdown_inert, balance.classes.values()))}: {balance.pictures} product photographs",
            "",
            *_what(settings, balance),
            *_balance(balance),
            *_origin(origins),
            *_method(settings, balance, proof),
            *_faults(balance, origins),
            *_licence(),
            *_reading(settings, balance, digest),
        ]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """A Markdown table, followed by an empty line."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(' --- ' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '¦') for cell in row)} |"
    yield ""


def _front_matter(settings: ExportSettings, balance: Balance) -> Iterator[str]:
    size = next(
        word
        for most, word in ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e99, "n>100K"))
        if balance.pictures < most
    )
    yield from ["---", "license: other", "license_name: shop-photographs", "task_categories: [image-classification]"]
    yield f"size_categories: ['{size}']"
    if settings.layout == "stj":
        ending = "-*.tar" if settings.format == "webdataset" else "/**"
        yield from ["configs:", "- config_name: default", "  data_files:"]
        for split in balance.splits:
            name = "validation" if split == "val" else split
            yield f"  - {{split: {name}, path: '{split}{ending}'}}"
    yield from ["---", ""]


def _what(settings: ExportSettings, balance: Balance) -> Iterator[str]:
    names = ", ".join(f"{label} = {markdown_inert(name)}" for label, name in balance.classes.items())
    what = "Imported photographs" if balance.ways == {"import"} else "Shop photographs of garments"
    yield f"{what}, for image classification. Labels: {names}."
    yield "Made by `stj-dataset export`; `manifest.csv` says of each picture where it came from and why it is in its split."
    if balance.others:
        said = ", ".join(f"{split} {n}" for split, n in balance.others.items())
        yield (
            f"`{NONE}/` holds pictures of something else ({said}), from which a model learns what to refuse: their label "
            "is empty, they count in none of the figures below, and the readers below do not see them."
        )
    if settings.layout == "student":
        yield "`Dataset/` holds train and val, `Test/` holds test; the manifest tells the two apart."
    yield ""


def _balance(balance: Balance) -> Iterator[str]:
    yield "## Shape"
    yield ""
    yield from table(
        ("split", "label", "class", "pictures", "asked for", "groups", "products", "largest group"),
        [
            (
                cell.split,
                cell.label,
                markdown_inert(balance.classes[cell.label]),
                cell.pictures,
                f"{cell.wanted:.1f}",
                cell.groups,
                cell.products,
                cell.largest_group,
            )
            for cell in balance.cells
        ],
    )
    yield from table(
        ("split", "share asked for", "share"),
        [(split, f"{share['wanted']:.1%}", f"{share['got']:.1%}") for split, share in balance.shares.items()],
    )
    remarks = list(balance.remarks(markdown_inert))
    yield from [f"- {one}" for one in remarks] or ["Every share is within one picture of the request."]
    yield ""


def _origin(origins: Origins) -> Iterator[str]:
    yield "## Whence and when"
    yield ""
    yield f"When each picture was met, and in which crawl or import, stands in `{PROVENANCE}`."
    yield (
        f"{counted(len(origins.sources), 'source')}; a model can learn the shop instead of the garment, "
        "so look at each source by itself."
    )
    yield ""
    ranked = sorted(origins.sources.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(n for _, n in ranked[_MOST_SOURCES:])
    rows = [*ranked[:_MOST_SOURCES], *([(counted(len(ranked) - _MOST_SOURCES, "other"), rest)] if rest else [])]
    yield from table(("source", "pictures"), [(markdown_inert(name), n) for name, n in rows])


def _method(settings: ExportSettings, balance: Balance, proof: str) -> Iterator[str]:
    unit = "groups" if settings.by == "group" else "whole sources"
    yield "## How it was split"
    yield ""
    yield (
        f"Scheme `{settings.scheme}`: {unit} were drawn by the seed, stratified by class. A group is whatever hangs together "
        "by being the same picture, a relative of it (mirrored copies too) or a picture of one product or product family; "
        "no group is in two splits. A picture keeps its split in every later export of the same scheme; what a newcomer "
        "ties to another split is withheld, never moved."
    )
    yield ""
    yield f"{counted(balance.groups, 'group')}; the largest has {counted(balance.largest_group, 'picture')}. {proof}"
    yield ""
    if balance.withheld:
        yield from table(
            ("withheld", "pictures"), [(sentence_of(Withheld, word), n) for word, n in balance.withheld.items()]
        )


def _faults(balance: Balance, origins: Origins) -> Iterator[str]:
    yield "## Known faults"
    yield ""
    yield (
        "- Labels come from the shop's listings and from reviews; nobody looked at every picture. "
        "`stj-dataset audit` ranks the doubtful ones."
    )
    yield "- Cropped and bordered copies of a picture may have gone unnoticed: perceptual hashes do not see all of them."
    if origins.converted:
        was = "was" if origins.converted == 1 else "were"
        yield (
            f"- {origins.converted} of {counted(balance.pictures, 'picture')} {was} no upright RGB JPEG and {was} written as "
            "JPEG of quality 95 on white; the others are the shop's own bytes."
        )
    yield ""


def _licence() -> Iterator[str]:
    yield "## Licence"
    yield ""
    yield (
        "**Shop photographs belong to their makers.** They were gathered for study; no licence comes with them. "
        "Do not republish the pictures, and ask the shops before any use beyond what your law allows for research."
    )
    yield ""


def _reading(settings: ExportSettings, balance: Balance, digest: str) -> Iterator[str]:
    names = json.dumps([str(label) for label in sorted(balance.classes)])
    yield "## Reading it"
    yield ""
    yield "Keras orders folders as text (0, 10, 2): `class_names` gives the order of `labels.json`."
    yield ""
    yield "```python"
    if settings.format == "webdataset":
        yield 'webdataset.WebDataset("train-000000.tar").decode("pil").to_tuple("jpg", "cls")'
    elif settings.layout == "student":
        yield f'keras.utils.image_dataset_from_directory("Dataset", class_names={names})'
    else:
        yield f'keras.utils.image_dataset_from_directory("train", class_names={names})'
        yield '# … and "val", "test" likewise: never validation_split'
        yield 'datasets.load_dataset(".")   # Hugging Face, by the head of this card'
    yield "```"
    yield ""
    yield f"Digest (sha256 of `manifest.csv`): `{digest}`"
    yield ""


def document(
    settings: ExportSettings, balance: Balance, digest: str, versions: Mapping[str, object]
) -> dict[str, object]:
    """`dataset.json`: everything that made the folder, and its digest."""
    return {
        "made_by": "stj-dataset",
        "version": 2,
        "digest": digest,
        "scheme": settings.scheme,
        "settings": settings.described,
        "pictures": balance.pictures,
        "groups": balance.groups,
        "largest_group": balance.largest_group,
        "splits": balance.splits,
        "shares": balance.shares,
        "withheld": balance.withheld,
        "none": dict(balance.others),
        **versions,
    }
