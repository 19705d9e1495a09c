"""Draws garments that never existed: the same seed and number give the same picture."""

from stj_demo.drawing.render import KINDS, colour_name, draw, recipe

__all__ = ["KINDS", "colour_name", "draw", "recipe"]
