"""Every error that STJ raises on purpose.

Libraries raise, only the command lines and the web turn an error into words for a person::

    StjError                    exit 1: one sentence - what happened, what was given, what to do
    ├── UsageError              exit 2: an option or a setting that cannot be right
    ├── AddressError            a place behind an address cannot be used, or is away
    ├── CatalogError            the catalogue cannot be used as it is
    │   ├── NoCatalogError      there is none at that place
    │   ├── NewerSchemaError    made by a newer STJ
    │   ├── AwayError           the database or the image store cannot be reached now; it may be back in a while
    │   ├── ConflictError       another writer was in the way, and the database undid this transaction
    │   └── LeaseLostError      another process took a page over meanwhile
    ├── PictureError            these bytes do not become a picture; `.reason` is the word in the catalogue
    │   ├── NotAnImageError     reason not_image
    │   ├── TruncatedError      reason truncated
    │   ├── TooSmallError       reason too_small
    │   └── TooLargeError       reason too_large
    ├── CrawlError              the crawl did not do its job
    ├── DatasetError            a dataset cannot be made or read
    │   └── LeakError           an export whose splits share a picture, a relative or a product
    └── ModelError              training, a run folder or weights
        └── WeightsError        the weights cannot be had or do not fit
"""

from __future__ import annotations

from typing import ClassVar

from stj_core.vocabulary import Reason


class StjError(Exception):
    """An expected failure, said in one sentence."""

    exit_code: ClassVar[int] = 1


class UsageError(StjError):
    """An option or a setting that cannot be right."""

    exit_code = 2


class AddressError(StjError):
    """A place behind an address cannot be used, or cannot be reached now."""


class CatalogError(StjError):
    """The catalogue cannot be used as it is."""


class NoCatalogError(CatalogError):
    """There is no catalogue at the place that was named."""


class NewerSchemaError(CatalogError):
    """The catalogue was made by a newer STJ."""


class AwayError(CatalogError):
    """The database or the image store cannot be reached now, or another program holds it: it may be back in a while."""


class ConflictError(CatalogError):
    """Another writer was in the way, and the database undid this transaction."""


class LeaseLostError(CatalogError):
    """Another process took a page over meanwhile: nothing of what was to be written about it is."""


class PictureError(StjError):
    """Bytes that do not become a picture; `reason` is the word that the catalogue keeps."""

    reason: ClassVar[Reason] = Reason.NOT_IMAGE


class NotAnImageError(PictureError):
    """No picture format was recognised."""


class TruncatedError(PictureError):
    """The picture's data ends too early or is broken."""

    reason = Reason.TRUNCATED


class TooSmallError(PictureError):
    """A side is shorter than the configured minimum."""

    reason = Reason.TOO_SMALL


class TooLargeError(PictureError):
    """More pixels than a shop photograph ever has."""

    reason = Reason.TOO_LARGE


class CrawlError(StjError):
    """The crawl did not do its job."""


class DatasetError(StjError):
    """A dataset cannot be made or read."""


class LeakError(DatasetError):
    """Splits that share a picture, a relative or a product."""


class ModelError(StjError):
    """Training, a run folder or weights."""


class WeightsError(ModelError):
    """The weights cannot be had or do not fit."""
