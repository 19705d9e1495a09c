"""STJ: from a shop's listing pages to a dataset and a model one can trust."""

from stj_core import __version__

__all__ = ["__version__"]
