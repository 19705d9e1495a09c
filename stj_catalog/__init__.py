"""What was seen, whence, when and why: the catalogue and its image store."""

__version__ = "0.1.0"
