"""What a spider hands to the pipelines: a page with its cards, and what came back for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stj_catalog.frontier import LeasedPage, Response
from stj_catalog.intake import CardSighting, NextPage


@dataclass(repr=False)
class PageItem:
    """One page that was read.

    Attributes:
        page: the lease it was fetched under.
        response: what came back.
        cards: in the page's order, each with the reason why it says nothing about the label, if so.
        found: pages that it leads to.
        ends: whether the listing ends here, by its own mark.
        opted_out: the words by which it keeps its pictures from learning; None where it does not.
    """

    page: LeasedPage
    response: Response
    cards: list[CardSighting] = field(default_factory=list)
    found: list[NextPage] = field(default_factory=list)
    ends: bool = False
    opted_out: str | None = None

    def __repr__(self) -> str:
        """In a line of the log: its cards are in the catalogue."""
        return f"<{self.page.kind} page {self.page.number}, {len(self.cards)} cards>"
