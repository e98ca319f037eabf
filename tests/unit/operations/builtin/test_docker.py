"""docker.*: the real program ``docker`` against a server that answers as the Engine does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations import docker
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.docker_engine import CREATED, Engine, serving
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

PROGRAM = shutil.which("docker")
LIST, INSPECT, CREATE, EXEC = "docker.list.get", "docker.inspect.get", "docker.create.execute", "docker.exec.execute"
START, STOP, REMOVE = "docker.start.execute", "docker.stop.execute", "docker.remove.execute"
PULL, IMAGE_REMOVE = "docker.pull.execute", "docker.imageRemove.execute"
WEB = {"image": "nginx:1.27", "name": "web", "env": ["TOKEN=s3cret"], "ports": ["8080:80"], "command": ["nginx", "-g"]}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    if PROGRAM is None:
        pytest.skip("docker is not installed")
    shim = tmp_path / "bin/docker"
    shim.parent.mkdir()
    # processes that an agent starts do not inherit its DOCKER_HOST
    shim.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/calls\nexport DOCKER_HOST=unix://{tmp_path}/engine\n'
    )
    with shim.open("a") as file:
        file.write(f'exec {PROGRAM} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(tmp_path / "engine") as known:
        known.add_image("nginx:1.27", "a")
        yield known


def changing(engine: Engine) -> list[str]:
    return [f"{method} {path}" for method, path, _ in engine.requests]


def test_a_container_from_its_creation_to_its_removal(perform: Perform, engine: Engine, tmp_path: Path) -> None:
    check = perform(CREATE, {**WEB, "check": True})
    assert (check.changed, check.data["would_change"], engine.containers) == (False, True, {})
    assert "+image: nginx:1.27\n" in check.data["diff"]
    made = perform(CREATE, WEB)
    ((identity, entry),) = engine.containers.items()
    assert made.changed is True
    assert made.data == {
        "id": identity,
        "name": "web",
        "image": "nginx:1.27",
        "state": "running",
        "created": CREATED,
        "changed": True,
    }
    assert (entry["Config"]["Env"], entry["Config"]["Cmd"]) == (["TOKEN=s3cret"], ["nginx", "-g"])
    assert entry["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    assert "s3cret" not in (tmp_path / "calls").read_text()
    assert perform(CREATE, WEB).changed is False
    assert perform(START, {"id": "web"}).changed is False
    assert perform(STOP, {"id": "web", "check": True}).data["would_change"] is True
    assert perform(STOP, {"id": "web", "timeout": 3}).changed is True
    assert engine.requests[-1] == ("POST", "/containers/web/stop", {"t": "3"})
    assert perform(STOP, {"id": "web"}).changed is False
    assert perform(CREATE, WEB).data["state"] == "running"
    with pytest.raises(OperationFailed, match="web is running; stop it, or remove it with force: true"):
        perform(REMOVE, {"id": "web"})
    assert perform(REMOVE, {"id": "web", "force": True}).changed is True
    assert perform(REMOVE, {"id": "web"}).data["message"] == "There is no such container."
    assert engine.containers == {}


def test_a_container_of_another_configuration_is_kept(perform: Perform, engine: Engine) -> None:
    perform(CREATE, {**WEB, "auto_start": False})
    assert changing(engine) == ["POST /containers/create"]
    with pytest.raises(OperationFailed, match=r"web with a different configuration; docker\.remove\.execute"):
        perform(CREATE, {**WEB, "command": ["sh"]})


def test_lists_and_details(perform: Perform, engine: Engine) -> None:
    perform(CREATE, WEB)
    perform(CREATE, {"image": "nginx:1.27", "auto_start": False})
    names = {state: [one["name"] for one in perform(LIST, {"state": state}).data["containers"]] for state in STATES}
    assert names == {"running": ["web"], "stopped": ["bold_turing"], "all": ["web", "bold_turing"]}
    assert perform(LIST, {"state": "all", "limit": 1}).data["total"] == 2
    assert perform(LIST).data["containers"][0]["created"] == "2026-01-31T12:00:00Z"
    details = perform(INSPECT, {"id": "web"}).data
    assert (details["ports"], details["mounts"]) == (["8080:80"], ["/srv/www:/www"])
    assert details["network_settings"] == {"bridge": "172.17.0.2"}
    assert "s3cret" not in str(details)


STATES = ("running", "stopped", "all")


def test_what_does_not_exist(perform: Perform, engine: Engine) -> None:
    for operation in (INSPECT, START, STOP):
        with pytest.raises(OperationFailed, match="This host has no container nosuch"):
            perform(operation, {"id": "nosuch"})
    failed = perform(EXEC, {"id": "nosuch", "command": ["sh"]})
    assert "No such container: nosuch" in str(failed.error)
    with pytest.raises(OperationFailed, match="pull access denied"):
        perform(CREATE, {"image": "private"})
    assert perform(IMAGE_REMOVE, {"image": "nosuch"}).changed is False


def test_a_program_in_a_container(perform: Perform, engine: Engine) -> None:
    perform(CREATE, WEB)
    data = {"id": "web", "command": ["sh", "-c", "id"], "env": ["A=1 2"], "working_dir": "/srv"}
    outcome = perform(EXEC, data)
    assert (outcome.data["stdout"], outcome.data["stderr"], outcome.data["exit_code"]) == ("out\n", "err\n", 0)
    given = engine.executions[0]
    assert (given["Cmd"], given["Env"], given["WorkingDir"]) == (["sh", "-c", "id"], ["A=1 2"], "/srv")
    engine.exit_code = 3
    failed = perform(EXEC, data)
    assert (failed.data["exit_code"], failed.error) == (3, "The command exited with code 3: err")


def test_images(perform: Perform, engine: Engine) -> None:
    assert perform(PULL, {"image": "redis", "check": True}).data["would_change"] is True
    pulled = perform(PULL, {"image": "redis"})
    assert pulled.changed is True
    assert pulled.data == {"image_id": f"sha256:{'b' * 64}", "tag": "latest", "size": 1234, "changed": True}
    assert perform(PULL, {"image": "redis"}).changed is False
    with pytest.raises(OperationFailed, match="pull access denied"):
        perform(PULL, {"image": "private"})
    assert perform(IMAGE_REMOVE, {"image": "redis", "check": True}).data["would_change"] is True
    assert perform(IMAGE_REMOVE, {"image": "redis"}).changed is True
    assert perform(IMAGE_REMOVE, {"image": "redis"}).changed is False


def test_the_agents_own_container_is_kept(
    perform: Perform, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = perform(CREATE, WEB).data["id"]
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"701 /var/lib/docker/containers/{identity}/hostname /etc/hostname rw - ext4\n")
    monkeypatch.setattr(docker, "_MOUNTS", mounts)
    for operation, data in ((STOP, {}), (REMOVE, {"force": True})):
        with pytest.raises(OperationFailed, match="The container web runs this agent"):
            perform(operation, {"id": identity, **data})
    assert engine.containers[identity]["State"]["Status"] == "running"


def test_without_docker(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for operation, data in ((LIST, {}), (PULL, {"image": "x"}), (CREATE, {"image": "x"}), (INSPECT, {"id": "x"})):
        with pytest.raises(OperationNotSupported, match="This host has no docker"):
            perform(operation, data)


def test_without_its_daemon(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(tmp_path / "bin", monkeypatch)
    words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    tools.add("docker", error=words, code=1)
    with pytest.raises(OperationFailed, match="Cannot connect to the Docker daemon"):
        perform(LIST)
    with pytest.raises(OperationFailed, match="Cannot connect to the Docker daemon"):
        perform(REMOVE, {"id": "web"})
    tools.add("docker", "not JSON\n")
    with pytest.raises(OperationFailed, match="docker returned an unexpected list of containers"):
        perform(LIST)


@pytest.mark.parametrize(
    ("operation", "data", "field"),
    [
        (INSPECT, {"id": "--help"}, "id"),
        (INSPECT, {"id": "a b"}, "id"),
        (CREATE, {"image": "-x"}, "image"),
        (CREATE, {"image": "x", "env": ["A=1\nB=2"]}, "env.0"),
        (CREATE, {"image": "x", "env": ["NAME"]}, "env.0"),
        (CREATE, {"image": "x", "ports": ["80"]}, "ports.0"),
        (CREATE, {"image": "x", "volumes": ["relative:other"]}, "volumes.0"),
        (CREATE, {"image": "x", "name": "../x"}, "name"),
        (EXEC, {"id": "x", "command": []}, "command"),
        (EXEC, {"id": "x", "command": ["a"], "working_dir": "srv"}, "working_dir"),
        (STOP, {"id": "x", "timeout": 301}, "timeout"),
        (LIST, {"state": "dead"}, "state"),
    ],
)
def test_bad_data(registry: Registry, operation: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as raised:
        registry.validate(operation, data)
    assert field in (raised.value.details or {})
