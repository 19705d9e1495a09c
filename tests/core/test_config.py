"""Options beat the environment, the environment beats the defaults, and what cannot be right is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stj_core.config import Config, read_config
from stj_core.errors import UsageError
from stj_images.likeness import thresholds_of


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in Config.model_fields:
        monkeypatch.delenv(f"STJ_{name.upper()}", raising=False)


def test_defaults_are_those_of_the_contract():
    config = read_config()
    assert (config.catalog, config.images, config.origin, config.weights) == (
        "catalog.sqlite", "images", "https://www.amazon.in", "imagenet",
    )  # fmt: skip
    assert (config.runs, config.cache, config.labels) == (Path("runs"), Path("cache"), None)
    assert thresholds_of(config).rule == "duplicate 8/22, related 10/32"


def test_options_beat_the_environment(monkeypatch):
    monkeypatch.setenv("STJ_IMAGES", "from-environment")
    assert read_config().images == "from-environment"
    assert read_config(images="from-option").images == "from-option"
    assert read_config(images=None).images == "from-environment"


def test_a_path_becomes_a_database_url():
    assert read_config(catalog="a/b.sqlite").catalog_url == "sqlite:///a/b.sqlite"
    assert read_config(catalog="postgresql+psycopg://h/d").catalog_url == "postgresql+psycopg://h/d"


def test_an_empty_labels_file_is_none(monkeypatch):
    monkeypatch.setenv("STJ_LABELS", "")
    assert read_config().labels is None


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("name", ["catalog", "images"])
def test_an_empty_variable_is_not_set_and_an_empty_name_is_refused(monkeypatch, name, value):
    """An empty image store would be the folder one stands in, whose files a repair would move away."""
    monkeypatch.setenv(f"STJ_{name.upper()}", "")
    assert getattr(read_config(), name) in {"catalog.sqlite", "images"}
    with pytest.raises(UsageError, match="it names nothing"):
        read_config(**{name: value})


@pytest.mark.parametrize(
    "value",
    [
        ":memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+pysqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_catalogue_that_would_be_gone_with_the_command_is_refused(value):
    with pytest.raises(UsageError, match="it would be gone with the command"):
        read_config(catalog=value)


def test_an_origin_is_cut_to_scheme_and_host():
    assert read_config(origin="http://127.0.0.1:8000/shop?x=1").origin == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "origin",
            "amazon.in",
            "STJ_ORIGIN cannot be 'amazon.in': an origin is a scheme and a host, such as https://www.amazon.in.",
        ),
        ("related_bits", 7, "STJ_RELATED_BITS cannot be 7: duplicates (8 bits) are relatives too, so it is 8 or more."),
        ("duplicate_bits", 65, "STJ_DUPLICATE_BITS cannot be 65: Input should be less than or equal to 64."),
        ("related_bits256", "many", "STJ_RELATED_BITS256 cannot be 'many': Input should be a valid integer"),
    ],
)
def test_what_cannot_be_right_is_said(name, value, sentence):
    with pytest.raises(UsageError) as caught:
        read_config(**{name: value})
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == 2


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        read_config().images = "elsewhere"
