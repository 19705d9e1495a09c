"""Write a page's cards, its done mark and the pages it leads to, in one transaction."""

from __future__ import annotations

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from stj_catalog.intake import SeenPage, commit_page
from stj_core.errors import LeaseLostError, StjError
from stj_spiders.items import PageItem
from stj_spiders.outcome import unexpected
from stj_spiders.session import session_of


class PagesPipeline:
    """The last station: what it lets through is in the catalogue."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand ready for one crawl."""
        self.session = session_of(crawler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PagesPipeline:
        """Build for a crawl."""
        return cls(crawler)

    async def process_item(self, item: PageItem) -> PageItem:
        """Commit the page."""
        session = self.session
        page = SeenPage(
            item.page.id,
            session.crawl.id,
            session.crawl.category_id,
            item.response,
            item.cards,
            item.found,
            token=item.page.token,
            ends=item.ends,
        )
        try:
            tally = await session.writer.run(commit_page, session.writer.catalog, session.writer.settler, page)
        except LeaseLostError as error:
            session.came_late(item.page)
            session.give_back()
            raise DropItem(str(error)) from error
        except StjError as error:
            session.stop(unexpected(error))
            raise DropItem(str(error)) from error
        session.page_done(item, tally)
        return item
