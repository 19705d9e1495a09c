"""The studio's queue: real commands with checked arguments, one at a time, stopped politely, found again after a restart."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask.testing import FlaskClient

from stj_core.config import read_config
from stj_web import job_commands, jobs
from stj_web.job_commands import Skipped, command_of, environment, outcome_of
from stj_web.job_files import Job, JobFolder, Step
from stj_web.jobs import Jobs
from tests.dataset.filling import Shelf

from .conftest import MakeApp, form_token
from .test_pages import check

SLEEP = "import sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(60)"
POLITE = (
    "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: (print('written down', file=sys.stderr), sys.exit(130)));"
    "print('begun', file=sys.stderr, flush=True); time.sleep(60)"
)


@pytest.fixture
def queue(shelf: Shelf) -> Iterator[Jobs]:
    """The queue of the stocked catalogue."""
    made = Jobs(read_config(), lambda: None)
    yield made
    made.close()


@pytest.fixture
def runs_instead(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the steps run some Python instead of STJ's commands: how the queue treats a command is the same for all."""

    def replace(**texts: str) -> None:
        monkeypatch.setattr(jobs, "command_of", lambda step, _: [sys.executable, "-c", texts[step.name]])

    return replace


def wait(queue: Jobs, number: int, wanted: Callable[[Job], bool], seconds: float = 30) -> Job:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (job := queue.files.read(number)) is not None and wanted(job):
            return job
        time.sleep(0.05)
    raise AssertionError(queue.files.read(number))


def over(job: Job) -> bool:
    return job.over


def begun(queue: Jobs, number: int) -> None:
    until = time.monotonic() + 30
    while "begun" not in queue.files.tail(number):
        assert time.monotonic() < until
        time.sleep(0.02)


OTHERS = set[int]()


@pytest.fixture(autouse=True)
def _know_the_others() -> None:
    """A database server of other tests may run beside these."""
    OTHERS.clear()
    OTHERS.update(one.pid for one in psutil.Process().children(recursive=True))


def children() -> list[psutil.Process]:
    """The processes that a test has begun and not ended."""
    found = [one for one in psutil.Process().children(recursive=True) if one.pid not in OTHERS]
    return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]


def test_steps_run_in_order_and_each_sentence_is_kept(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one="print('{\"n\": 1}')", two="import sys; print('the last line', file=sys.stderr)")
    job = wait(queue, queue.add("loop", "two steps", {}, ("one", "two"), "asha").id, over)
    assert (job.state, job.sentence, job.by) == ("done", "the last line", "asha")
    assert [(step.state, step.code) for step in job.steps] == [("done", 0), ("done", 0)]
    assert job.steps[0].result == {"n": 1}
    assert job.steps[0].ended_at <= job.steps[1].began_at  # type: ignore[operator]  # both ran


def test_a_step_that_fails_ends_the_job_with_its_own_sentence(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one="import sys; print('There is no picture.', file=sys.stderr); sys.exit(1)", two="print('never')")
    job = wait(queue, queue.add("loop", "fails", {}, ("one", "two"), "").id, over)
    assert (job.state, job.sentence) == ("failed", "There is no picture.")
    assert [(step.state, step.code) for step in job.steps] == [("failed", 1), ("waiting", None)]


def test_one_job_at_a_time_in_the_order_in_which_they_were_asked_for(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one="import time; time.sleep(0.2)")
    ids = [queue.add("loop", "short", {}, ("one",), "").id for _ in range(3)]
    ended = [wait(queue, number, over) for number in ids]
    assert ids == sorted(ids)
    for before, after in pairwise(ended):
        assert before.ended_at <= after.began_at  # type: ignore[operator]  # both ran


def test_stopping_gives_ctrl_c_first_and_the_next_job_goes_on(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one=POLITE, two="print(1)")
    first, waits, last = (queue.add("loop", "x", {}, (name,), "").id for name in ("one", "one", "two"))
    begun(queue, first)
    assert queue.cancel(waits).state == "cancelled"
    queue.cancel(first)
    job = wait(queue, first, over)
    assert (job.state, job.steps[0].code) == ("cancelled", 130)
    assert "written down" in queue.files.tail(first)
    assert wait(queue, last, over).state == "done"
    with pytest.raises(Exception, match="has ended already: it is cancelled"):
        queue.cancel(first)


def test_what_ignores_ctrl_c_is_ended_all_the_same(
    queue: Jobs, runs_instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STJ_WEB_PATIENCE", "0.3")
    monkeypatch.setattr(jobs, "environment", lambda _: dict(os.environ))
    runs_instead(
        one="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        + SLEEP
    )
    number = queue.add("loop", "deaf", {}, ("one",), "").id
    begun(queue, number)
    queue.cancel(number)
    assert wait(queue, number, over).steps[0].code == 128 + signal.SIGKILL


def test_no_command_outlives_its_studio_and_what_waits_begins_after_a_restart(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one=SLEEP, two="print(1)")
    first, second = (queue.add("loop", "x", {}, (name,), "").id for name in ("one", "two"))
    begun(queue, first)
    queue.close()
    assert children() == []
    stopped = queue.files.read(first)
    assert stopped is not None
    assert (stopped.state, stopped.sentence) == (
        "interrupted",
        "The studio ended while it ran; give it again and it goes on.",
    )
    again = Jobs(read_config(), lambda: None)
    try:
        again.begin()
        assert wait(again, second, over).state == "done"
        third = again.again(first, "ravi")
        assert (third.state, third.by, [step.name for step in third.steps]) == ("queued", "ravi", ["one"])
    finally:
        again.close()


@pytest.mark.medium
def test_a_studio_that_is_killed_takes_its_command_along(shelf: Shelf, tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom stj_core.config import read_config\nfrom stj_web import jobs\n"
        f"jobs.command_of = lambda step, job: [sys.executable, '-c', {SLEEP!r}]\n"
        "queue = jobs.Jobs(read_config(), lambda: None)\nqueue.add('loop', 'x', {}, ('one',), '')\ntime.sleep(60)\n"
    )
    studio = subprocess.Popen([sys.executable, "-c", script])
    folder = JobFolder(read_config().catalog_url)
    try:
        until = time.monotonic() + 60
        while "begun" not in folder.tail(1):
            assert time.monotonic() < until
            time.sleep(0.05)
        there = psutil.Process(studio.pid).children(recursive=True)
        assert len(there) == 2, "the leash and the command"
    finally:
        studio.kill()
        studio.wait()
    gone, alive = psutil.wait_procs(there, timeout=20)
    assert (len(gone), alive) == (2, [])
    found = Jobs(read_config(), lambda: None)
    try:
        found.begin()
        job = wait(found, 1, over)
        assert job.state == "interrupted"
        assert job.steps[0].state == "failed"
    finally:
        found.close()


def test_two_studios_at_one_catalogue_share_the_queue_and_its_numbers(queue: Jobs, runs_instead: Any) -> None:
    runs_instead(one="import time; time.sleep(0.3)")
    other = Jobs(read_config(), lambda: None)
    try:
        ids = [one.add("loop", "x", {}, ("one",), "").id for one in (queue, other, queue)]
        assert ids == [1, 2, 3]
        ended = [wait(queue, number, over) for number in ids]
        assert [job.state for job in ended] == ["done"] * 3
        assert not (queue.works and other.works)
        assert ended[0].ended_at <= ended[1].began_at  # type: ignore[operator]  # both ran
    finally:
        other.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 1}', '{"id": 1, "steps": 3}', "\udcff", "[" * 100_000])
def test_a_damaged_document_is_counted_and_never_the_end(client: FlaskClient, shelf: Shelf, text: str) -> None:
    folder = JobFolder(read_config().catalog_url)
    folder.make()
    (folder.folder / "000001.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    page = client.get("/jobs").get_data(as_text=True)
    assert "1 document of the queue cannot be read." in page
    assert client.get("/jobs/1").status_code == 404
    assert folder.add("loop", "x", {}, ("export",), "").id == 2


def test_the_arguments_are_checked_and_nothing_else_reaches_a_command(client: FlaskClient, shelf: Shelf) -> None:
    token = form_token(client, "/jobs")
    wrong = [
        {"split": "1"}, {"split": "0"}, {"split": "-0.1"}, {"split": "0.2; rm -rf"}, {"test": "1.0"}, {"test": "nan"},
        {"seed": "-1"}, {"seed": "x"}, {"seed": "9" * 11}, {"recipe": "../x"}, {"recipe": "--help"}, {"weights": "/etc/passwd"},
        {"epochs": "0"}, {"epochs": "501"}, {"epochs": "1e9"},
    ]  # fmt: skip
    for given in wrong:
        answer = client.post("/jobs/loop", data={"csrf_token": token, **given})
        assert answer.status_code == 400, given
        assert re.search(r"is (one of|a whole number|a share)", answer.get_data(as_text=True)), given
    assert client.get("/jobs").get_data(as_text=True).count("Nothing was asked for yet.") == 1


@pytest.mark.parametrize("place", ["/jobs/loop", "/jobs/1/cancel", "/jobs/1/again", "/crawls/start"])
def test_a_job_is_a_write_and_never_another_sites(make_app: MakeApp, shelf: Shelf, place: str) -> None:
    client = make_app().test_client()
    JobFolder(read_config().catalog_url).add("loop", "x", {}, ("export",), "")
    assert client.post(place).status_code == 400
    refused = client.post(place, data={"csrf_token": "forged"}, headers={"Origin": "http://evil.example"})
    assert refused.status_code in {400, 403}
    guarded = make_app(token="x" * 20).test_client()
    assert guarded.post(place, data={"csrf_token": form_token(guarded)}).status_code == 401
    assert client.get("/jobs", headers={"Host": "evil.example"}).status_code == 400


def test_the_commands_are_stjs_own_by_the_same_python_and_know_no_secret(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STJ_WEB_TOKEN", "x" * 20)
    told = job_commands.loop_options({"recipe": "paper", "epochs": "3", "weights": "random"})
    steps = tuple(Step(name) for name in job_commands.LOOP)
    job = Job(1, "loop", "x", {**told, "before": "old"}, steps)
    export, train = (command_of(step, job) for step in steps[:2])
    assert isinstance(export, list)
    assert isinstance(train, list)
    assert export[0] == train[0] == sys.executable
    assert export[3:] == ["export", "--split", "0.2", "--test", "0.1", "--seed", "42", "--json"]
    assert train[3:] == ["train", "--recipe", "paper", "--seed", "42", "--weights", "random", "--epochs", "3", "--json"]
    assert command_of(steps[2], job) == Skipped("The training made no new run to compare.")
    assert command_of(steps[2], Job(1, "loop", "x", told, steps)) == Skipped("There was no run before to compare with.")
    trained = job.with_step(Step("train", result={"run": "new"}))
    assert command_of(steps[2], trained)[3:] == ["compare", "old", "new", "--json"]  # type: ignore[index]  # a command
    found = environment(read_config())
    assert "STJ_WEB_TOKEN" not in found
    assert found["STJ_CATALOG"] == read_config().catalog_url


def test_the_permission_is_asked_for_before_a_host_is_crawled_for_the_first_time(
    make_app: MakeApp, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STJ_ORIGIN", "https://shop.example")
    monkeypatch.setattr(jobs, "command_of", lambda *_: [sys.executable, "-c", "print(1)"])
    client = make_app().test_client()
    page = client.get("/crawls").get_data(as_text=True)
    check(page)
    assert "I have the permission of shop.example." in page
    form = {"csrf_token": form_token(client), "category": "saree", "pages": "1"}
    refused = client.post("/crawls/start", data=form)
    assert refused.status_code == 400
    assert "Nothing was asked of shop.example" in refused.get_data(as_text=True)
    assert client.post("/crawls/start", data=form | {"permission": "yes"}).status_code == 302
    monkeypatch.setenv("STJ_ORIGIN", "http://127.0.0.1:9")
    local = make_app().test_client()
    assert "permission" not in local.get("/crawls").get_data(as_text=True)
    for name in ("pages", "limit"):
        answer = local.post("/crawls/start", data={"csrf_token": form_token(local), "category": "saree", name: "0"})
        assert answer.status_code == 400


def test_an_export_from_the_queue_is_the_commands_own(make_app: MakeApp, shelf: Shelf, tmp_path: Path) -> None:
    app = make_app()
    queue = app.extensions["stj"].jobs
    client = app.test_client()
    number = queue.add("loop", "x", job_commands.loop_options({}), ("export",), "asha").id
    job = wait(queue, number, over, 120)
    assert job.state == "done", queue.files.tail(number)
    told = json.loads((tmp_path / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    assert job.steps[0].result is not None
    assert job.steps[0].result["digest"] == told["digest"]
    assert re.fullmatch(r"\d+ pictures: train \d+, val \d+, test \d+\. No group is in two splits\.", job.sentence)
    page = client.get(f"/jobs/{number}").get_data(as_text=True)
    check(page)
    assert job.sentence in page
    assert client.get(f"/jobs/{number}.json").json["state"] == "done"


def test_what_came_out_is_said_in_a_sentence_whatever_a_command_gave() -> None:
    told = {"pages": 3, "cards": 1_204, "new": 1, "images": {"kept": 900}}
    said, result = outcome_of(Step("crawl"), 0, json.dumps(told), ["a line of the log"])
    assert said == "3 pages, 1,204 cards, 1 new picture; 900 of the crawl's are kept."
    assert result == told
    for output in ("", "no JSON", "[1]", "{}", '{"pages": null}'):
        assert outcome_of(Step("crawl"), 0, output, ["the last line"])[0] == "the last line"
    assert outcome_of(Step("train"), 1, "", ["why", "There are no weights."])[0] == "There are no weights."
    assert outcome_of(Step("train"), 9, "", [])[0] == "train ended with exit code 9 and said nothing."
    export = {"splits": {"train": {"0": 5, "1": 4}, "val": {"0": 1}, "test": {"1": 1}}, "withheld": 2}
    said, _ = outcome_of(Step("export"), 0, json.dumps(export), [])
    assert said == "11 pictures: train 9, val 1, test 1; 2 withheld. No group is in two splits."
