"""Scrapy's settings for STJ: polite, traceable and quiet. Each can be changed with `-s NAME=VALUE`."""

from __future__ import annotations

import os

# A crawl has no use for linear algebra, whose threads spin for a third of a second while they wait for some.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Imported early: it looks through every module that is there, which costs a quarter of a second once ours are.
import scrapy.core.downloader.contextfactory  # noqa: F401
from scrapy.settings.default_settings import EXTENSIONS_BASE

from stj_spiders.budget import PAGE_BYTES
from stj_spiders.identity import user_agent
from stj_spiders.log import quiet

quiet()

BOT_NAME = "stj"
SPIDER_MODULES = ["stj_spiders.spiders"]
SPIDER_LOADER_CLASS = "stj_spiders.loader.CategoryLoader"
COMMANDS_MODULE = "stj_spiders.commands"

# Who we are, and what we obey. A rule for STJ or for Scrapy binds us; see docs/decisions/0003.
USER_AGENT = user_agent("")  # each spider adds what STJ_CONTACT says
ROBOTSTXT_OBEY = True
COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
DOWNLOAD_VERIFY_CERTIFICATES = True  # Scrapy's default takes any certificate: whoever sits in between could be the shop

# How fast (docs/crawl.md): gaps are the least there will be; jitter and AutoThrottle only add.
STJ_PAGE_SECONDS = 2.0
STJ_PICTURE_SECONDS = 0.25
STJ_PICTURES_AT_ONCE = 4
STJ_JITTER = 0.2
STJ_COOL_SECONDS = 30.0
STJ_COOL_MOST_SECONDS = 900.0
STJ_BLOCKS = 3
STJ_DELAY_MOST_SECONDS = 300.0
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_MAX_DELAY = 60.0
CONCURRENT_REQUESTS = 32
CONCURRENT_ITEMS = 1  # of one page, which is one item: Scrapy starts so many workers for each
CONCURRENT_REQUESTS_PER_DOMAIN = 16  # the gaps and gates of manners.py are what holds us back
DOWNLOAD_TIMEOUT = 30
DOWNLOAD_MAXSIZE = PAGE_BYTES  # pictures say for themselves how large they may be
DOWNLOAD_WARNSIZE = 0
RETRY_HTTP_CODES = [500, 502, 504, 522, 524, 408]  # 429 and 503 are answers to obey, not accidents to repeat
REDIRECT_MAX_TIMES = 5
HTTPERROR_ALLOW_ALL = True  # every answer is judged by its content
METAREFRESH_ENABLED = False  # a challenge reloads itself that way: following it would be evading it

# What is fetched.
STJ_IMAGE_SIZE: str | None = None  # the shop's own; Amazon: _SL640_
IMAGES_MIN_WIDTH = 64
IMAGES_MIN_HEIGHT = 64
STJ_RENDER = "auto"
STJ_RENDER_HOSTS: list[str] = []
STJ_PICTURE_HOSTS: list[str] = []
STJ_OPT_OUT_OBEY = True
# How long a page stays with a crawl that was cut off; one that lives renews it.
STJ_LEASE_SECONDS = 120.0
# How long the catalogue or the image store may be away before a crawl ends.
STJ_AWAY_SECONDS = 900.0
# Share of cards that must have a title, a picture and a link; with fewer the layout has changed.
STJ_COVERAGE_MIN = 0.8
# A folder in which every listing and product page is kept as it came (stj_spiders/archive.py); none by default.
STJ_WARC = ""

# Plain HTTP, and a browser for the pages that need one (rendering/handler.py).
DOWNLOAD_HANDLERS = dict.fromkeys(("http", "https"), "stj_spiders.rendering.handler.BrowserDownloadHandler")
PLAYWRIGHT_MAX_PAGES_PER_CONTEXT = 1
PLAYWRIGHT_MAX_CONTEXTS = 1
PLAYWRIGHT_DEFAULT_NAVIGATION_TIMEOUT = 30_000

DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "stj_spiders.middlewares.reach.ReachMiddleware": 50,
    "stj_spiders.middlewares.robots.ClosedRobotsMiddleware": 100,
    "stj_spiders.middlewares.politeness.MannersMiddleware": 150,
    "stj_spiders.middlewares.retry.AccidentRetryMiddleware": 550,
    "stj_spiders.middlewares.compression.BoundedCompressionMiddleware": 590,
}
ITEM_PIPELINES = {
    "stj_spiders.pipelines.pictures.PicturesPipeline": 100,
    "stj_spiders.pipelines.pages.PagesPipeline": 200,
}
# The consoles are off; in this list they would be imported all the same, with aiohttp and an SSH library.
EXTENSIONS_BASE = {
    path: order for path, order in EXTENSIONS_BASE.items() if not path.endswith(("TelnetConsole", "RemoteControl"))
}
EXTENSIONS = {
    "scrapy.extensions.throttle.AutoThrottle": None,
    "scrapy.extensions.logstats.LogStats": None,
    "stj_spiders.extensions.throttle.PoliteThrottle": 0,
    "stj_spiders.extensions.progress.Progress": 0,
}

# A command that is run when a crawl ends other than well (on_end.py).
STJ_ON_END = os.environ.get("STJ_ON_END", "")

# What people see.
STJ_SUMMARY = "table"
LOG_LEVEL = "INFO"
STATS_DUMP = False  # the summary and the catalogue say more
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOG_FORMATTER = "stj_spiders.log.QuietLogFormatter"
FEED_EXPORT_ENCODING = "utf-8"
