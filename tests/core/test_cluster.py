"""Work on several processes: the same results whatever happens to them."""

from __future__ import annotations

import pytest

from stj_core import cluster
from stj_core.cluster import OtherVersionError, Partition, SetAside, open_cluster
from stj_core.errors import StjError, UsageError
from tests.core.cluster_work import killed_once, kills, never, squared


def test_without_a_cluster_nothing_is_imported(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with open_cluster("") as found:
        assert found is None
    with pytest.raises(StjError, match=r"--cluster needs Dask: pip install 'stj\[cluster\]'\."), open_cluster("local"):
        pass


@pytest.mark.parametrize("where", ["locals", "local:0", "local:x", "http://host:1", "tcp://host", "4"])
def test_what_is_no_cluster_is_wrong_usage(where):
    told = "it is local, local:4, or a scheduler such as tcp://scheduler:8786"
    with pytest.raises(UsageError, match=told), open_cluster(where):
        pass


def test_a_scheduler_that_is_not_there_is_a_sentence(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    monkeypatch.setattr(cluster, "_WAIT_SECONDS", 1)
    told = r"No Dask scheduler answers at tcp://127.0.0.1:9: start one there"
    with pytest.raises(StjError, match=told), open_cluster("tcp://127.0.0.1:9"):
        pass


def work(function, numbers, *more):
    return [Partition(f"{function.__name__}-{number}", function, (number, *more)) for number in numbers]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_brings_the_same_and_one_killed_costs_nothing(workers, tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    wanted = {place: number * number for place, number in enumerate(range(12))}
    with open_cluster(f"local:{workers}") as found:
        assert dict(found.map(work(squared, range(12)))) == wanted
        assert dict(found.map(work(killed_once, range(12), str(tmp_path)))) == wanted
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("function", "why"), [(never, "ValueError: three is too much"), (kills, "KilledWorker")])
def test_a_partition_that_fails_three_times_is_set_aside_and_the_rest_goes_on(function, why):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    with open_cluster("local:1") as found:
        brought = dict(found.map(work(function, range(6))))
    aside = brought.pop(3)
    assert isinstance(aside, SetAside)
    assert why in aside.reason
    assert brought == {number: number * number for number in range(6) if number != 3}


@pytest.mark.slow
def test_a_worker_of_another_version_is_refused(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    ours = cluster.versions()
    with open_cluster("local:1") as found:
        found._versions = {**ours, "numpy": "1.0"}
        with pytest.raises(OtherVersionError, match=r"A worker that joined has numpy .*, not 1\.0: it could bring"):
            dict(found.map(work(squared, [1])))
    monkeypatch.setattr(cluster, "__version__", "0.0.9")
    with pytest.raises(OtherVersionError, match=r"of local:1 has stj .*, not 0\.0\.9"), open_cluster("local:1"):
        pass
