"""Work on several processes: the same results whatever happens to them."""

from __future__ import annotations

import threading

import pytest

from stj_core import cluster
from stj_core.cluster import LostClusterError, OtherVersionError, open_cluster
from stj_core.errors import StjError, UsageError
from stj_core.partitions import Partition, SetAside, spread
from tests.core.cluster_work import all_squared, asleep, killed_once, kills, never, squared, squared_unless, told


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
    wanted = [number * number for number in range(12)]
    with open_cluster(f"local:{workers}") as found:
        assert list(found.stream(work(squared, range(12)))) == wanted
        assert list(found.stream(work(killed_once, range(12), str(tmp_path)))) == wanted
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("function", "why"), [(never, "ValueError: three is too much"), (kills, "KilledWorker")])
def test_a_partition_that_fails_three_times_is_set_aside_and_the_rest_goes_on(function, why):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    with open_cluster("local:1") as found:
        brought = dict(enumerate(found.stream(work(function, range(6)))))
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
            list(found.stream(work(squared, [1])))
    monkeypatch.setattr(cluster, "__version__", "0.0.9")
    with pytest.raises(OtherVersionError, match=r"of local:1 has stj .*, not 0\.0\.9"), open_cluster("local:1"):
        pass


def asked(function, *more):
    return lambda numbers: Partition(f"{function.__name__}-{numbers}", function, (numbers, *more), 8)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_keeps_its_order_whatever_happens_to_its_workers(workers, tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    with open_cluster(f"local:{workers}") as found:
        brought = list(spread(found, range(50), 2, asked(all_squared)))
        assert brought == [(number, number * number) for number in range(50)]
        brought = list(spread(found, range(50), 2, asked(squared_unless, str(tmp_path))))
    assert (tmp_path / "killed").exists()
    lost = SetAside("ValueError: three is too much")
    assert brought == [(number, lost if number in {2, 3} else number * number) for number in range(50)]


def test_no_more_is_read_ahead_than_is_to_be_held():
    class Taking:
        here = True

        def stream(self, partitions):
            for one in partitions:
                yield one.function(*one.arguments)

    taken = []

    def items():
        for number in range(9):
            taken.append(number)
            yield number

    given = spread(Taking(), items(), 4, asked(all_squared))
    assert next(given) == (0, 0)
    assert taken == [0, 1, 2, 3]
    assert [number for number, _ in given] == [*range(1, 9)]


@pytest.fixture
def elsewhere():
    """A scheduler with a worker, as on other hosts."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'stj[cluster]'")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as found:
        yield found


@pytest.mark.slow
def test_workers_elsewhere_have_what_is_shared_also_those_that_come_later(elsewhere, tmp_path):
    (tmp_path / "a.txt").write_text("first")
    with open_cluster(elsewhere.scheduler_address) as found, found.share(tmp_path, ["a.txt", "none.txt"]) as shared:
        assert not found.here
        assert list(found.stream([Partition("told", told, (shared, "a.txt"))])) == ["first"]
        list(found.stream([Partition("killed", killed_once, (7, str(tmp_path)))]))
        (tmp_path / "a.txt").write_text("second")
        assert list(found.stream([Partition("again", told, (shared, "a.txt"))])) == ["first"]
        assert shared.place == ""


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_a_sentence(elsewhere):
    with open_cluster(elsewhere.scheduler_address) as found:
        given = found.stream([Partition("asleep", asleep, (1,))])
        threading.Timer(1.0, elsewhere.close).start()
        with pytest.raises(LostClusterError, match="The Dask scheduler went away"):
            next(given)
