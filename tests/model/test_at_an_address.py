"""Runs and their datasets at addresses: trained, judged and asked as those in folders are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from stj_core.cli import outcome
from stj_core.console import SILENT, Talk
from stj_core.errors import AddressError, DatasetError, ModelError
from stj_core.fetched import FOLDER, copies
from stj_core.locations import Location
from stj_core.published import DATASET, INVENTORY, MARKER, RUN, Kind, Publication
from stj_core.remote import Remote
from stj_model import api, training
from stj_model.backend import keras
from stj_model.cli import app
from stj_model.data import open_dataset
from stj_model.features import Extractor, FeatureStore, compute_features
from stj_model.places import POINTER, RunsAt, dataset_of, find_run, keep_beside
from stj_model.preprocess import Preprocessing
from stj_model.run_dir import Run
from stj_model.shared_features import SharedFeatures
from stj_model.training import train
from stj_web.runs import Runs
from tests.model.conftest import draw, tiny
from tests.objects import bucket, serving_objects

pytestmark = pytest.mark.medium

DATA, RUNS = "memory://place/data", "memory://place/runs"


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Nothing is there before, nor afterwards."""
    yield
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]


def publish(folder: Path, address: str, kind: Kind) -> str:
    publication = Publication(address, kind)
    publication.stage(folder)
    publication.commit()
    return address


def point(name: str, runs: str = RUNS) -> None:
    Remote(runs).put(POINTER, json.dumps({"made_by": "stj", "run": name}).encode())


def said(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = outcome(app, list(command))
    told = capsys.readouterr()
    return code, told.out, told.err.strip()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_training_on_an_object_store_is_that_of_a_folder(drawn: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """The dataset and the runs there, and another machine that judges and asks: the same features, figures and answers."""
    picture = tmp_path / "one.png"
    picture.write_bytes(draw(1, 900))
    with serving_objects() as address, bucket(address, "place", monkeypatch):
        publish(drawn, "s3://place/data", DATASET)
        options = ("--weights", "random", "--seed", "7")
        code, out, err = said(capsys, "train", str(drawn), *options, "--runs", "here")
        assert code == 0, err
        monkeypatch.setenv("STJ_CACHE", str(tmp_path / "other"))
        code, there, err = said(capsys, "train", "s3://place/data", *options, "--runs", "s3://place/runs")
        assert code == 0, err
        name = json.loads(Remote("s3://place/runs").read(POINTER) or b"")["run"]
        assert f"run: s3://place/runs/{name}\nreport: s3://place/runs/{name}/report.html\n" in there
        assert there.split("run: ")[0] == out.split("run: ")[0]
        here, held = Path("here/latest"), Remote(f"s3://place/runs/{name}")
        for file in ("out_of_fold.csv", "leave_sources_out.csv", "predictions.csv", "manifest.csv"):
            assert held.read(file) == (here / file).read_bytes(), file
        document = json.loads(held.read("config.json") or b"")
        assert (document["dataset"], document["dataset_digest"]) == (
            "s3://place/data",
            json.loads((here / "config.json").read_text())["dataset_digest"],
        )
        monkeypatch.setenv("STJ_CACHE", str(tmp_path / "third"))
        code, out, err = said(capsys, "evaluate", "--runs", "s3://place/runs", "--split", "val", "--json")
        assert (code, json.loads(out)["run"]) == (0, name), err
        assert f"Report: s3://place/runs/{name}/evaluations/val/report.html" in err
        assert held.read("evaluations/val/report.html")
        assert api.evaluate(f"s3://place/runs/{name}", split="val")["correct"] == json.loads(out)["correct"]
        wanted = said(capsys, "predict", str(here.resolve()), str(picture), "--json")[1]
        assert said(capsys, "predict", f"s3://place/runs/{name}", str(picture), "--json")[1] == wanted
        assert said(capsys, "predict", str(picture), "--runs", "s3://place/runs", "--json")[1] == wanted


def test_a_run_at_an_address_is_found_by_address_by_name_and_as_the_newest(run: Run, tmp_path: Path) -> None:
    publish(run.folder, f"{RUNS}/{run.name}", RUN)
    with pytest.raises(ModelError, match=rf"There is no run at {RUNS} yet: stj-model train --runs {RUNS} makes one\."):
        find_run(None, Location(RUNS), tmp_path / "cache")
    point(run.name)
    runs, cache = Location(RUNS), tmp_path / "cache"
    for named in (
        None,
        Location(run.name),
        Location("latest"),
        Location(f"{RUNS}/{run.name}"),
        Location(f"{RUNS}/latest"),
    ):
        found = find_run(named, runs, cache)
        assert (found.name, found.folder.parent) == (run.name, cache / FOLDER)
    assert len(copies(cache)) == 1
    with pytest.raises(ModelError, match=rf"There is no run at {RUNS}/other: stj-model train publishes one\."):
        find_run(Location("other"), runs, cache)


@pytest.mark.parametrize("pointer", [b"", b"[]", b'{"run": "../x"}', b'{"run": ".."}', b"\xff"])
def test_a_pointer_that_leads_nowhere_is_no_run(tmp_path: Path, pointer: bytes) -> None:
    Remote(RUNS).put(POINTER, pointer)
    with pytest.raises(ModelError, match="There is no run at"):
        find_run(None, Location(RUNS), tmp_path / "cache")


def moved(run: Run, tmp_path: Path, address: str) -> Run:
    """A run that says that its dataset lay at an address."""
    folder = shutil.copytree(run.folder, tmp_path / "moved")
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, "dataset": address}))
    return Run(folder)


def test_a_run_finds_its_dataset_by_digest(run: Run, drawn: Path, dataset: Path, tmp_path: Path) -> None:
    publish(drawn, DATA, DATASET)
    asked, cache = moved(run, tmp_path, DATA), tmp_path / "cache"
    own = dataset_of(asked, None, cache)
    assert own is not None
    assert (own / "manifest.csv").read_bytes() == (drawn / "manifest.csv").read_bytes()
    (dataset / "dataset.json").write_text('{"digest": "another", "settings": {}}')
    publish(dataset, DATA, DATASET)
    assert dataset_of(asked, None, cache) == own, "another dataset lies there now, and its own is in the cache"
    assert dataset_of(asked, Location(DATA), cache) != own, "what is named is taken"
    fsspec.filesystem("memory").store.clear()
    assert dataset_of(asked, None, cache) == own
    with pytest.raises(DatasetError, match=f"There is no dataset at {DATA}"):
        dataset_of(asked, None, tmp_path / "empty")
    assert dataset_of(run, None, cache) is None


def test_the_studio_finds_the_pictures_of_a_dataset_at_an_address_in_the_cache(
    run: Run, drawn: Path, tmp_path: Path
) -> None:
    publish(drawn, DATA, DATASET)
    asked, cache = moved(run, tmp_path / "runs", DATA), tmp_path / "cache"
    row = asked.manifest()[0]
    shelf = Runs(tmp_path / "runs", cache)
    with pytest.raises(FileNotFoundError):
        shelf.dataset_file(asked.name, row)
    dataset_of(asked, None, cache)
    assert shelf.dataset_file(asked.name, row) == (drawn / row.file).read_bytes()


@pytest.mark.medium
def test_an_evaluation_is_kept_beside_the_run(run: Run, drawn: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    publish(drawn, DATA, DATASET)
    publish(moved(run, tmp_path, DATA).folder, f"{RUNS}/one", RUN)
    code, out, err = said(capsys, "evaluate", f"{RUNS}/one", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 12
    assert f"Report: {RUNS}/one/evaluations/test/report.html" in err
    remote = Remote(f"{RUNS}/one")
    report = remote.read("evaluations/test/report.html") or b""
    assert b"data:image" in report, "the pictures of the dataset are in it"

    def refused(*_: object) -> None:
        raise AddressError("Cannot use it: Access Denied.")

    monkeypatch.setattr(Remote, "send", refused)
    found = find_run(Location(f"{RUNS}/one"), Location("runs"), tmp_path / "cache")
    keep_beside(found, found.folder / "evaluations" / "test", Talk())
    assert "Cannot use it: Access Denied. What was made is in " in capsys.readouterr().err


@pytest.mark.medium
def test_a_run_at_an_address_answers_and_what_it_cannot_do_there_is_said(run: Run, tmp_path: Path, capsys) -> None:
    address = publish(run.folder, f"{RUNS}/{run.name}", RUN)
    picture = tmp_path / "one.png"
    picture.write_bytes(draw(1, 900))
    wanted = said(capsys, "predict", str(run.folder), str(picture), "--json")
    assert said(capsys, "predict", address, str(picture), "--json")[:2] == wanted[:2]
    assert said(capsys, "summary", address, "--json")[:2] == said(capsys, "summary", str(run.folder), "--json")[:2]
    code, out, _ = said(capsys, "compare", address, str(run.folder), "--json")
    assert (code, json.loads(out)["n"]) == (0, 12)
    assert said(capsys, "export", address)[::2] == (
        2,
        "An export of a run at an address needs a folder of this machine to write to: give --to FOLDER.",
    )
    assert said(capsys, "predict", address)[0] == 2
    assert said(capsys, "predict", str(run.folder), f"{RUNS}/one.png")[0] == 2


def test_the_runs_at_an_address_are_listed_like_those_of_a_folder(run: Run, tmp_path: Path, capsys) -> None:
    nothing = f"There is no run at {RUNS} yet: stj-model train --runs {RUNS} makes one."
    assert said(capsys, "runs", "--runs", RUNS) == (1, "", nothing)
    here = tmp_path / "runs"
    for name in ("20260102-030405-default-aa", "20260203-040506-default-bb", "torn", "half"):
        shutil.copytree(run.folder, here / name)
    (here / "torn" / "metrics.json").write_text("{")
    for folder in here.iterdir():
        publish(folder, f"{RUNS}/{folder.name}", RUN)
    point("torn")
    Remote(f"{RUNS}/half").put(MARKER, b"{}")
    fsspec.filesystem("memory").rm(f"{RUNS.removeprefix('memory:/')}/half/config.json")
    Remote(f"{RUNS}/somebody").put("notes.txt", b"mine")
    code, out, err = said(capsys, "runs", "--runs", RUNS, "--json")
    assert code == 0, err
    found = {one.pop("name"): one for one in json.loads(out)}
    assert list(found) == ["20260203-040506-default-bb", "20260102-030405-default-aa", "half", "torn"]
    wanted = {one.pop("name"): one for one in json.loads(said(capsys, "runs", "--runs", str(here), "--json")[1])}
    whole = found["20260203-040506-default-bb"]
    assert whole | {"changed": 0} == wanted["20260203-040506-default-bb"] | {"changed": 0}
    assert whole["changed"] > found["20260102-030405-default-aa"]["changed"] > 1.7e9
    assert (found["torn"]["status"], found["half"]["status"]) == ("broken", "broken")
    assert "is being published, or that was interrupted" in found["half"]["reason"]
    assert "20260102-030405-default-aa" in said(capsys, "runs", "--runs", RUNS)[1]


@pytest.mark.slow
def test_pictures_at_an_address_are_judged_as_those_of_a_folder(
    run: Run, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, others = tmp_path / "photos", tmp_path / "others"
    for label, name in enumerate(("0_saree", "1_trousers", "2_jeans")):
        (photos / name).mkdir(parents=True)
        for number in range(3):
            (photos / name / f"{number}.png").write_bytes(draw(label, 700 + number))
    others.mkdir()
    (others / "one.png").write_bytes(draw(2, 800))
    code, here, err = said(capsys, "evaluate", str(run.folder), "--on", str(photos), "--none", str(others), "--json")
    assert code == 0, err
    with serving_objects() as address, bucket(address, "place", monkeypatch):
        for folder in (photos, others):
            for file in folder.rglob("*.png"):
                Remote(f"s3://place/{folder.name}").send(file.relative_to(folder).as_posix(), file)
        given = ("--on", "s3://place/photos", "--none", "s3://place/others", "--json")
        code, there, err = said(capsys, "evaluate", str(run.folder), *given)
    assert code == 0, err
    assert json.loads(there) == {**json.loads(here), "split": "s3://place/photos"}
    assert (run.folder / "evaluations" / "on-photos").is_dir()


@pytest.mark.slow
def test_a_run_that_could_not_be_published_is_published_by_the_same_training(
    drawn: Path, shared_cache: Path, monkeypatch
) -> None:
    at = RunsAt(RUNS, shared_cache)
    send, sent = Remote.send, 0

    def away(self: Remote, name: str, file: Path) -> None:
        nonlocal sent
        sent += 1
        if sent > 5:
            raise AddressError(f"{RUNS} cannot be reached: it is down.")
        send(self, name, file)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "send", away)
        with pytest.raises(AddressError):
            train(drawn, tiny(), runs=at.home, cache=shared_cache, at=at)
    begun = {name.split("/")[0] for name in Remote(RUNS).listing()}
    assert len(begun) == 1
    assert Remote(f"{RUNS}/{min(begun)}").read(MARKER)
    with monkeypatch.context() as patch:
        patch.setattr(training, "look_for_shortcuts", lambda *_: pytest.fail("it was trained already"))
        run = train(drawn, tiny(), runs=at.home, cache=shared_cache, at=RunsAt(RUNS, shared_cache))
    assert {run.name, POINTER} == {name.split("/")[0] for name in Remote(RUNS).listing()}
    assert find_run(None, Location(RUNS), shared_cache).folder == run.folder
    held = Remote(f"{RUNS}/{run.name}").listing()
    assert INVENTORY in held
    assert not {"lock", MARKER, "checkpoint.json"} & held.keys()
    again = train(drawn, tiny(), runs=at.home, cache=shared_cache, at=RunsAt(RUNS, shared_cache), talk=SILENT)
    assert again.name != run.name, "a finished training is done anew"


@pytest.fixture
def extractor() -> Extractor:
    """A small network."""
    keras().utils.set_random_seed(0)
    door = keras().Input((64, 64, 3))
    features = keras().layers.GlobalAveragePooling2D()(keras().layers.Conv2D(3, 3, strides=4)(door))
    return Extractor(keras().Model(door, features), Preprocessing(64), {"weights": "shared"})


SHARED = "memory://place/features"


@pytest.mark.parametrize("where", [SHARED, "features of all"])
def test_features_that_one_machine_computed_are_taken_by_another(
    drawn: Path, tmp_path: Path, extractor, where: str
) -> None:
    pictures = open_dataset(drawn).pictures
    names = [one.sha256 for one in pictures]
    first = compute_features(pictures[:40], extractor, tmp_path / "one", shared=where)
    second = FeatureStore(tmp_path / "two" / "features" / extractor.key)
    SharedFeatures(where).bring(second, names)
    assert (len(first), len(second)) == (40, 40)
    whole = compute_features(pictures, extractor, tmp_path / "two", shared=where)
    assert (whole.rows(names[:40]) == first.rows(names[:40])).all()
    lonely = compute_features(pictures, extractor, tmp_path / "three")
    assert (whole.rows(names) == lonely.rows(names)).all()
    back = compute_features(pictures, extractor, tmp_path / "one", shared=where)
    assert len(list(back.folder.glob("*.npy"))) == 2, "the other's shard was taken, and nothing computed"


@pytest.mark.parametrize("damage", ["cut", "other", "gone", "no list", "no numbers"])
def test_a_shard_that_is_damaged_is_said_and_computed_anew(
    drawn: Path, tmp_path: Path, extractor, damage: str, capsys
) -> None:
    pictures = open_dataset(drawn).pictures
    wanted = compute_features(pictures, extractor, tmp_path / "one", shared=SHARED)
    remote, key = Remote(SHARED), extractor.key
    index = next(name for name in remote.listing() if name.endswith(".json"))
    array = index.replace(".json", ".npy")
    data = remote.read(array) or b""
    if damage == "gone":
        remote.delete([array])
    elif damage in {"no list", "no numbers"}:
        remote.put(index, b"[]" if damage == "no list" else b"{}")
    else:
        remote.put(array, data[:-4] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    found = compute_features(pictures, extractor, tmp_path / "two", Talk(), shared=SHARED)
    names = [one.sha256 for one in pictures]
    assert (found.rows(names) == wanted.rows(names)).all()
    assert f"{SHARED}/{key}/{Path(index).stem} is damaged: its features are computed anew." in capsys.readouterr().err


def test_a_place_for_features_that_cannot_be_used_is_said(
    drawn: Path, tmp_path: Path, extractor, monkeypatch, capsys
) -> None:
    pictures = open_dataset(drawn).pictures

    def away(*_: object) -> None:
        raise AddressError("It cannot be reached: it is down.")

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "send", away)
        assert len(compute_features(pictures, extractor, tmp_path / "one", Talk(), shared=SHARED)) == 60
        assert "Features are not shared: It cannot be reached: it is down." in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "listing", away)
        with pytest.raises(AddressError):
            compute_features(pictures, extractor, tmp_path / "two", shared=SHARED)
