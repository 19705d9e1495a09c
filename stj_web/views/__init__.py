"""The pages, one module for each place of the navigation, and the REST interface."""

from __future__ import annotations

from flask import Blueprint


def blueprints() -> list[Blueprint]:
    """Every blueprint of the studio."""
    from stj_web.views import (
        api,
        by_hand,
        catalogue,
        classify,
        crawls,
        datasets,
        home,
        jobs,
        maps,
        review,
        runs,
        selection,
    )

    return [
        module.pages
        for module in (home, classify, catalogue, review, selection, by_hand, datasets, runs, maps, crawls, jobs, api)
    ]
