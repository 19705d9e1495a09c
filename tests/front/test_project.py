"""`stj init`: a folder in which every command works, and nothing that was there is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stj.cli import app
from stj.project import FILES, prepare
from stj_core.cli import outcome
from stj_core.errors import UsageError
from stj_core.labels import DEFAULT_LABELS, load_labels

ROOT = Path(__file__).resolve().parents[2]


def test_init_writes_what_a_project_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert outcome(app, ["init", "new/project"]) == 0
    place = tmp_path / "new" / "project"
    assert {path.name for path in place.iterdir()} == set(FILES)
    assert (place / "labels.toml").read_bytes() == DEFAULT_LABELS.read_bytes()
    assert "stj doctor" in capsys.readouterr().out


def test_init_without_a_folder_means_this_one(tmp_path: Path):
    assert outcome(app, ["init"]) == 0
    assert (tmp_path / "scrapy.cfg").is_file()


def test_init_again_changes_nothing(tmp_path: Path):
    assert {outcome for _, outcome in prepare(tmp_path)} == {"written"}
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert {outcome for _, outcome in prepare(tmp_path)} == {"same"}
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}


def test_what_was_there_stays_and_is_named(tmp_path: Path):
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / "labels.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "scrapy.cfg").mkdir()
    done = dict(prepare(tmp_path))
    assert done == {
        "scrapy.cfg": "kept",
        "labels.toml": "kept",
        "metadata.yaml": "written",
        ".gitignore": "written",
        "README.md": "kept",
    }
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^Cannot prepare file \(.*\): name a folder that you may write to\.$"):
        list(prepare(Path("file")))


def test_a_project_is_set_up_like_the_checkout(tmp_path: Path):
    list(prepare(tmp_path))
    assert (tmp_path / "scrapy.cfg").read_text() == (ROOT / "scrapy.cfg").read_text()


def test_the_labels_of_this_folder_are_the_ones_that_count(tmp_path: Path, catalog, capsys: pytest.CaptureFixture[str]):
    from stj_dataset.cli import app as dataset

    list(prepare(tmp_path))
    kurta = '\n[[category]]\nlabel = 3\nslug = "kurta"\nname = "Kurta"\nnode = "1968255031"\n'
    with (tmp_path / "labels.toml").open("a") as file:
        file.write(kurta)
    assert [one.slug for one in load_labels()] == ["saree", "trousers", "jeans", "kurta"]
    assert outcome(dataset, ["stats", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["labels"]) == {"0", "1", "2", "3"}


def test_labels_that_are_named_beat_those_of_this_folder(tmp_path: Path):
    (tmp_path / "labels.toml").write_text("nothing of ours")
    assert load_labels(DEFAULT_LABELS) == load_labels(DEFAULT_LABELS.resolve())
    with pytest.raises(UsageError, match=r"The labels file labels\.toml is not valid TOML"):
        load_labels()
