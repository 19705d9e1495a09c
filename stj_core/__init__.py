"""The ground: errors, words, settings, labels and manners that every room shares; no pictures, no SQL."""

__version__ = "0.1.0"
