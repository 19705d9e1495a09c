"""Scrapy commands with STJ's manners: exit codes that say how it went, and a summary at the end."""
