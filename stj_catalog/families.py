"""The family of a product, as an SQL expression: sizes and colours of one product share a family."""

from __future__ import annotations

from sqlalchemy import func

from stj_catalog.schema import products

FAMILY = func.coalesce(products.c.parent_asin, products.c.asin)
"""A product's family: the product that it is a variant of, or itself."""
