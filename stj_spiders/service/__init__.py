"""Crawls over HTTP: scrapyd with a password, visitors that are looked at, and jobs that are checked before they are queued.

`scrapy.cfg` names these parts in its sections `[scrapyd]` and `[services]`; `scrapyd` started beside it takes them from there.
"""
