"""Write a page's cards, its done mark and the pages it leads to, in one transaction."""

from __future__ import annotations

from typing import cast

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from stj_catalog.intake import SeenPage, commit_page
from stj_core.errors import StjError
from stj_spiders.items import PageItem
from stj_spiders.outcome import unexpected
from stj_spiders.spiders.category import CategorySpider


class PagesPipeline:
    """The last station: what it lets through is in the catalogue."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand ready for one crawl."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PagesPipeline:
        """Build for a crawl."""
        return cls(crawler)

    async def process_item(self, item: PageItem) -> PageItem:
        """Commit the page."""
        spider = cast("CategorySpider", self.crawler.spider)
        page = SeenPage(item.page.id, spider.crawl.id, spider.crawl.category_id, item.response, item.cards, item.found)
        try:
            tally = await spider.desk.run(commit_page, spider.desk.catalog, spider.desk.settler, page)
        except StjError as error:
            spider.stop(unexpected(error))
            raise DropItem(str(error)) from error
        spider.page_done(item, tally)
        return item
