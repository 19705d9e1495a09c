"""The crawl: Scrapy spiders that turn listing pages into catalogue rows and picture files."""
