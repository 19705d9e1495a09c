"""Which spiders there are: one for each shop, and one for each category of labels.toml that names its own."""

from __future__ import annotations

from functools import cached_property

from scrapy import Spider
from scrapy.spiderloader import SpiderLoader

from stj_core.config import read_config
from stj_core.labels import load_labels
from stj_core.shops.shop import SHOPS, spider_of_any
from stj_spiders.spiders.category import CategorySpider


class CategoryLoader(SpiderLoader):
    """Scrapy's loader, with the spiders that are data.

    labels.toml is read when a spider is first asked for, so that what is wrong with it is said by whoever asks.
    """

    @cached_property
    def _made(self) -> dict[str, type[CategorySpider]]:
        made = {spider_of_any(shop): _spider(spider_of_any(shop), shop, None) for shop in SHOPS}
        for category in load_labels(read_config().labels):
            if category.spider not in made:
                made[category.spider] = _spider(category.spider, category.shop, category.slug)
        return made

    def load(self, spider_name: str) -> type[Spider]:
        """The spider of a name.

        Raises:
            KeyError: there is none.
            UsageError: labels.toml cannot be read.
        """
        return self._made.get(spider_name) or super().load(spider_name)

    def list(self) -> list[str]:
        """The names of all spiders.

        Raises:
            UsageError: labels.toml cannot be read.
        """
        return sorted({*self._made, *super().list()})


def _spider(name: str, shop: str, slug: str | None) -> type[CategorySpider]:
    """A class of its own, so that its log lines and its crawls go by its name."""
    title = "".join(word.title() for word in name.split("_"))
    return type(title, (CategorySpider,), {"__module__": __name__, "name": name, "shop": shop, "slug": slug})
