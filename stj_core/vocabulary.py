"""Every word that rows, log lines, commands and pages share: once, in order, with its sentence.

A word that no list here knows is still shown as it is written (`sentence_of`): an older or newer catalogue must never crash a
page. What a person reads about a word is its `sentence`; what a crawl does about a rejected picture is its `transient`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self, TypeVar


class Word(StrEnum):
    """A word of the catalogue and the sentence that explains it."""

    sentence: str

    def __new__(cls, word: str, sentence: str = "") -> Self:
        """Make the word `word`, explained by `sentence`."""
        made = str.__new__(cls, word)
        made._value_ = word
        made.sentence = sentence
        return made


class Status(Word):
    """The one word that every picture ends in; in the order in which they are counted and looked through."""

    KEPT = "kept", "It is kept: the next export takes it."
    DUPLICATE = "duplicate", "It is the same picture as one that is kept."
    QUARANTINED = "quarantined", "It stays out until a person or a later sighting says what it is."
    REJECTED = "rejected", "It is no picture that a dataset can use."
    FORGOTTEN = "forgotten", "Somebody asked for it to be forgotten: its bytes are gone for good."


class PageState(Word):
    """How far the crawl is with a page."""

    PENDING = "pending", "Found, and not asked for yet."
    LEASED = "leased", "A process is reading it."
    DONE = "done", "Read, with all its cards."
    FAILED = "failed", "Set aside after it failed several times."


class CrawlState(Word):
    """How a crawl stands; RESUMABLE says which are gone on with by the same command."""

    RUNNING = "running", "It is under way, or its process died."
    INTERRUPTED = "interrupted", "It was stopped; the same command goes on."
    BLOCKED = "blocked", "The shop turned it away; the same command goes on."
    FINISHED = "finished", "It did its job."
    REFUSED = "refused", "robots.txt does not allow it; the same command asks again."
    DRIFTED = "drifted", "The pages no longer read as they did: the layout changed; the same command goes on."
    EMPTY = "empty", "The listing says that there is nothing, or nothing of it could be used."
    ABANDONED = "abandoned", "A fresh crawl of the same listing took its place."


RESUMABLE = (CrawlState.RUNNING, CrawlState.INTERRUPTED, CrawlState.BLOCKED, CrawlState.REFUSED, CrawlState.DRIFTED)


class Split(Word):
    """The part of a dataset that a picture is for; where they disagree the later one wins."""

    TRAIN = "train", "To learn from."
    VAL = "val", "To watch training by."
    TEST = "test", "To judge by, once."


SPLITS = tuple(Split)


class Action(Word):
    """What a person may decide about a picture."""

    LABEL = "label", "It is of this class."
    KEEP = "keep", "It is right as it is, whatever the rules say."
    REJECT = "reject", "It stays out, for this reason."
    NONE = "none", "It is of none of the classes: a model learns to refuse it."


class Act(Word):
    """What a person may do to several pictures at once, besides deciding what they show."""

    TAG = "tag", "They carry this tag."
    UNTAG = "untag", "They carry this tag no more."
    SAME = "same", "They are the same picture: the best one is kept."
    GROUP = "group", "They are different pictures that stay in one split."
    APART = "apart", "They are different pictures and need not stay together, however alike they look."


TOLD = (Act.SAME, Act.GROUP, Act.APART)


class Reason(Word):
    """Why a picture is quarantined or rejected, or why a sighting says nothing about the label.

    Attributes:
        sentence: for a person.
        transient: whether it may be better next time, so that a later crawl asks again.
    """

    transient: bool

    def __new__(cls, word: str, sentence: str = "", transient: bool = False) -> Self:
        """Make the reason `word`, explained by `sentence`."""
        made = str.__new__(cls, word)
        made._value_ = word
        made.sentence = sentence
        made.transient = transient
        return made

    # Quarantined: a person, or a later sighting, may say what it is.
    LABEL_CONFLICT = "label_conflict", "Shown under two classes: a person has to say which it is."
    SPONSORED = "sponsored", "Only ever seen as an advertisement, which may be anything."
    TITLE_MISMATCH = "title_mismatch", "The product's title names another kind of garment."
    TITLE_MISSING = "title_missing", "No card that shows it has a title, so nothing says what it is."
    UNSIGHTED = "unsighted", "Fetched, and the page that shows it is not written yet."
    # Rejected: these bytes are no picture to use, or never came.
    TOO_SMALL = "too_small", "A side is shorter than the smallest size that is taken; a later crawl asks again.", True
    TOO_LARGE = "too_large", "More pixels or bytes than a shop photograph has; a later crawl asks again.", True
    NOT_IMAGE = "not_image", "The bytes are no picture of a format that is read; a later crawl asks again.", True
    TRUNCATED = "truncated", "The picture's data ends too early or is broken; a later crawl asks again.", True
    PLACEHOLDER = "placeholder", "The same file stands under many products: it is the shop's own, and none of theirs."
    HTTP_ERROR = "http_error", "The image server answered with an error; a later crawl asks again.", True
    NETWORK_ERROR = "network_error", "The connection failed; a later crawl asks again.", True
    TIMEOUT = "timeout", "No answer in time; a later crawl asks again.", True
    BLOCKED = "blocked", "The shop turned the crawler away; a later crawl asks again.", True
    ROBOTS = "robots", "robots.txt does not allow it; a later crawl asks again.", True
    ADDRESS_REFUSED = (
        "address_refused",
        "Its address leads where no crawl goes: another machine of this network, an odd port; a later crawl asks again.",
        True,
    )
    OPTED_OUT = "opted_out", "Its maker says that it must not be used for machine learning."
    NOT_FETCHED = "not_fetched", "Read from an archive, and never asked for; a later crawl asks for it.", True
    MISSING_FILE = "missing_file", "Its file is gone from the image store; a later crawl asks again.", True
    TORN_FILE = "torn_file", "Its file is broken in the image store; a later crawl asks again.", True
    FORGOTTEN_COPY = "forgotten_copy", "A copy of a picture that was to be forgotten."
    UNREADABLE = "unreadable", "The file cannot be read from its folder."
    REVIEWED = "reviewed", "A person left it out without saying why."
    # Sightings only: the card has no picture of its own.
    NO_IMAGE = "no_image", "The card had no picture."


TRANSIENT = tuple(word for word in Reason if word.transient)


class Withheld(Word):
    """Why an export leaves a kept picture out."""

    TOO_SMALL = "min_side", "shorter side below --min-side"
    GROUP_IN_VAL = "group_in_val", "a newcomer or a person tied its group to one whose pictures are in val"
    GROUP_IN_TEST = "group_in_test", "a newcomer or a person tied its group to one whose pictures are in test"
    RELATED = "max_related", "more pictures of one group than --max-related"
    OVER_CLASS = "per_class", "more pictures of one class than --per-class"
    NO_CLASS = "no_class", "of something that is none of the classes, for which --layout student has no folder"
    AFTER_WRITING = (
        "near_after_conversion",
        "became a relative of a picture in another split when it was written as JPEG",
    )


W = TypeVar("W", bound=Word)


def find_word(words: type[W], text: str | None) -> W | None:
    """The word of a list that `text` is, or None for one that it does not know."""
    try:
        return words(text) if text else None
    except ValueError:
        return None


def sentence_of(words: type[Word], text: str) -> str:
    """The sentence of a word, or a sentence that shows a word nobody knows."""
    known = find_word(words, text)
    return known.sentence if known and known.sentence else f"The reason is written as “{text.replace('_', ' ')}”."


def why(status: str, reason: str | None) -> str:
    """Why a picture is, or is not, in a dataset, in one sentence; a word that nobody knows is shown as it is written."""
    if reason and status in {Status.QUARANTINED, Status.REJECTED}:
        return sentence_of(Reason, reason)
    return sentence_of(Status, status)


def in_order(words: type[Word], texts: Iterable[str]) -> list[str]:
    """Texts in the order of a list of words; those that it does not know come last, in alphabetical order."""
    order = {str(word): place for place, word in enumerate(words)}
    return sorted(texts, key=lambda text: (order.get(text, len(order)), text))
