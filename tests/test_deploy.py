"""The deployment: a compose file that its specification accepts, and commands that this version has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_the_compose_file_is_one(compose: dict) -> None:
    """By the Compose Specification, anchors and variables resolved; what the specification does not know is refused."""
    spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed: pip install 'stj[dev]'")
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", yaml.safe_dump(compose))
    read = spec.PyCompose.from_yaml(re.sub(r"\$\{\w+:\?[^}]*\}", "given", text))
    read.validate()
    assert set(read.service_names()) == set(compose["services"])
    wrong = {**compose, "services": {**compose["services"], "studio": {"image": "stj", "depend_on": ["postgres"]}}}
    with pytest.raises(ValueError, match="depend_on"):
        spec.PyCompose.from_yaml(yaml.safe_dump({"services": {"studio": wrong["services"]["studio"]}}))


def test_what_a_service_names_is_there(compose: dict) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert "image" in service, name
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_file(), (name, volume)
        build = service.get("build")
        assert build is None or (DEPLOY / build["context"] / build["dockerfile"]).is_file(), name


def test_both_crawlers_are_one_visitor(compose: dict) -> None:
    """One catalogue, and so one pace; a container's name is in nothing that they write."""
    one, two = (compose["services"][name] for name in ("crawler-1", "crawler-2"))
    assert one == two
    assert "hostname" not in one


def test_the_database_and_the_pictures_are_reached_from_inside_only(compose: dict) -> None:
    assert compose["networks"]["inside"]["internal"] is True
    for name, service in compose["services"].items():
        assert ("ports" in service) == (name == "nginx"), name
        assert ("outside" in service["networks"]) == (name in {"nginx", "crawler-1", "crawler-2"}), name


def test_no_password_stands_in_the_file(compose: dict) -> None:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN", key):
                assert re.fullmatch(r"\$\{\w+:\?.+\}", value), (name, key)


@pytest.mark.parametrize("name", ["crawler-1", "studio", "metrics"])
def test_a_service_runs_a_command_that_there_is(compose: dict, name: str) -> None:
    from stj_dataset.cli import app

    command = compose["services"][name]["command"]
    words = shlex.split(command[-1]) if command[0] == "sh" else command
    if "stj-dataset" in words:
        told = words[words.index("stj-dataset") + 1]
        assert told in {one.name for one in app.registered_commands}
    else:
        assert words[0] in {"stj-web", "python"}


def test_dask_listens_inside_only_and_its_commands_are_those_that_there_are(compose: dict) -> None:
    from distributed.cli import dask_scheduler, dask_worker

    services = compose["services"]
    for name, command in (("scheduler", dask_scheduler.main), ("worker", dask_worker.main)):
        assert services[name]["networks"] == ["inside"]
        words = services[name]["command"]
        assert words[:2] == ["dask", name]
        with command.make_context(name, list(words[2:])) as context:
            assert context.params["dashboard"] is False
    assert services["worker"]["command"][2] == services["work"]["environment"]["STJ_CLUSTER"]
    assert services["worker"]["image"] == services["work"]["image"] == services["scheduler"]["image"]
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "cluster" in re.search(r"ARG EXTRAS=(\S+)", docker)[1].split(",")
