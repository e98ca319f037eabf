"""Containers of Docker: list, create, start, stop, remove, run programs in them; and their images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import Operation, Run, operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, state_diff
from jobqueue.operations.context import Context
from jobqueue.operations.docker import (
    container,
    docker,
    inspected,
    listed,
    protect_container,
    require_docker,
    state,
    summary,
)
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.answer import process_outcome, success_codes_field
from jobqueue.operations.schema import Flag, Items, Path, Schema, Text, Whole, shape, timeout_field

_READ, _WRITE, _EXECUTE = "docker:read", "docker:write", "docker:execute"
#: The label that holds a digest of what a container was created of.
_LABEL = "io.jobqueue.configuration"
_RUNNING = "running"
_MOST_ITEMS, _MOST_ARGUMENTS = 1_000, 10_000
_MOST_LISTED, _MOST_SECONDS = 1_000, 300


def _container_id() -> Text:
    return Text(
        required=True,
        **shape(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "Must be the name or id of one container."),
    )


def _image() -> Text:
    return Text(
        required=True,
        **shape(
            r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}", "Must be an image, such as nginx:1.27 or ghcr.io/org/app@sha256:..."
        ),
    )


def _environment() -> Items:
    line = shape(
        r"[A-Za-z_][A-Za-z0-9_]{0,255}=[^\r\n]{0,32768}", "Must be NAME=value on one line; Docker takes no other lines."
    )
    return Items(Text(**line), load_default=list, validate=validate.Length(max=_MOST_ITEMS))


class IdSchema(Schema):
    id = _container_id()


class ListSchema(Schema):
    state = Text(load_default=_RUNNING, validate=validate.OneOf([_RUNNING, "stopped", "all"]))
    limit = Whole(load_default=100, validate=validate.Range(1, _MOST_LISTED))


class CreateSchema(ChangeSchema):
    image = _image()
    name = Text(
        **shape(
            r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}",
            "Must be a name of at least 2 letters, digits and _ . -, beginning with a letter or digit.",
        )
    )
    hostname = Text(**shape(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", "Must be a hostname."))
    dns = Items(
        Text(**shape(r"[0-9A-Fa-f.:]{2,45}", "Must be an IP address.")),
        load_default=list,
        validate=validate.Length(max=20),
    )
    command = Items(Text(), load_default=list, validate=validate.Length(max=_MOST_ARGUMENTS))
    env = _environment()
    ports = Items(
        Text(
            **shape(
                r"(?:[0-9.]{7,15}:|\[[0-9A-Fa-f:]{2,39}\]:)?[0-9]{1,5}(?:-[0-9]{1,5})?:[0-9]{1,5}(?:-[0-9]{1,5})?"
                r"(?:/(?:tcp|udp|sctp))?",
                "Must be HOST_PORT:CONTAINER_PORT, such as 8080:80 or 127.0.0.1:5353:53/udp.",
            )
        ),
        load_default=list,
        validate=validate.Length(max=_MOST_ITEMS),
    )
    volumes = Items(
        Text(
            **shape(
                r"[A-Za-z0-9/][^:\x00-\x1f]{0,1023}:/[^:\x00-\x1f]{0,1023}(?::[A-Za-z,]{1,40})?",
                "Must be HOST_PATH:CONTAINER_PATH, such as /srv/www:/usr/share/nginx/html:ro.",
            )
        ),
        load_default=list,
        validate=validate.Length(max=_MOST_ITEMS),
    )
    auto_start = Flag(load_default=True, metadata={"description": "Start it as well."})


class ContainerSchema(ChangeSchema):
    id = _container_id()


class StopSchema(ContainerSchema):
    timeout = Whole(
        load_default=10,
        validate=validate.Range(0, _MOST_SECONDS),
        metadata={"description": "Seconds to wait for it to stop before it is killed."},
    )


class RemoveSchema(ContainerSchema):
    force = Flag(load_default=False, metadata={"description": "Also if it runs."})


class ExecSchema(Schema):
    id = _container_id()
    command = Items(Text(), required=True, validate=validate.Length(1, _MOST_ARGUMENTS))
    env = _environment()
    working_dir = Path()
    success_codes = success_codes_field()
    timeout = timeout_field()


class ImageSchema(ChangeSchema):
    image = _image()


class ImageRemoveSchema(ImageSchema):
    force = Flag(load_default=False, metadata={"description": "Also if stopped containers use it."})


def _changing(name: str, schema: type[ChangeSchema]) -> Callable[[Run], Operation]:
    """An operation that brings a container or an image into a state."""
    return operation(name, schema=schema, changes=True, idempotent=True, permission=_WRITE, only_starts_processes=True)


@operation("docker.list.get", schema=ListSchema, permission=_READ, only_starts_processes=True)
def container_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Containers, the newest first; those that run unless requested otherwise."""
    require_docker()
    shown_states = {_RUNNING: (True,), "stopped": (False,), "all": (True, False)}[data["state"]]
    containers = [container for container in listed(context) if (container["state"] == _RUNNING) in shown_states]
    return {"total": len(containers), "containers": containers[: data["limit"]]}


@operation("docker.inspect.get", schema=IdSchema, permission=_READ, only_starts_processes=True)
def container_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One container: image, state, ports, mounts, networks, health; not its environment, which may hold secrets."""
    require_docker()
    entry = container(data["id"], context)
    network = entry.get("NetworkSettings", {})
    networks = network.get("Networks") or {}
    return {
        **summary(entry),
        "ports": _ports(network.get("Ports") or {}),
        "mounts": [f"{mount.get('Source', '')}:{mount.get('Destination', '')}" for mount in entry.get("Mounts") or []],
        "network_settings": {name: str(one.get("IPAddress", "")) for name, one in networks.items()},
        "health": entry.get("State", {}).get("Health", {}).get("Status"),
    }


@operation("docker.create.execute", schema=CreateSchema, changes=True, permission=_WRITE, only_starts_processes=True)
def container_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create a container; with a name, nothing happens if there is one of the same configuration."""
    require_docker()
    digest = _digest(data)
    existing = inspected("container", data["name"], context) if "name" in data else None
    if existing is not None:
        return _existing(existing, digest, data, context)
    desired = {key: data[key] for key in ("image", "name", "hostname", "command", "ports", "volumes") if data.get(key)}
    diff = state_diff(f"container {data.get('name', '')}".rstrip(), {}, desired)
    if data["check"]:
        return change_outcome(Change(True, diff), data, {"image": data["image"]})
    identity = docker(_creation(data, digest), context, "".join(f"{line}\n" for line in data["env"])).split()[-1]
    if data["auto_start"]:
        docker(["start", identity], context)
    return change_outcome(Change(True, diff), data, summary(container(identity, context)))


@_changing("docker.start.execute", ContainerSchema)
def container_start(data: dict[str, Any], context: Context) -> Outcome:
    """Start a container, if it does not run."""
    require_docker()
    entry = container(data["id"], context)
    return _into(entry, _RUNNING, state(entry) == _RUNNING, ["start", data["id"]], data, context)


@_changing("docker.stop.execute", StopSchema)
def container_stop(data: dict[str, Any], context: Context) -> Outcome:
    """Stop a container, if it runs."""
    require_docker()
    entry = container(data["id"], context)
    protect_container(entry)
    is_stopped = state(entry) in ("created", "exited", "dead")
    return _into(entry, "exited", is_stopped, ["stop", "-t", str(data["timeout"]), data["id"]], data, context)


@_changing("docker.remove.execute", RemoveSchema)
def container_remove(data: dict[str, Any], context: Context) -> Outcome:
    """Remove a container; nothing happens if there is none."""
    require_docker()
    entry = inspected("container", data["id"], context)
    if entry is None:
        return change_outcome(Change(False, message="There is no such container."), data, {"id": data["id"]})
    protect_container(entry)
    if state(entry) == _RUNNING and not data["force"]:
        raise OperationFailed(f"The container {data['id']} is running; stop it, or remove it with force: true.")
    return _into(entry, "", False, ["rm", *(["--force"] if data["force"] else []), data["id"]], data, context)


@operation("docker.exec.execute", schema=ExecSchema, changes=True, permission=_EXECUTE, only_starts_processes=True)
def container_exec(data: dict[str, Any], context: Context) -> Outcome:
    """Run a program in a container. An exit code outside of `success_codes` fails the job."""
    require_docker()
    directory = [f"--workdir={data['working_dir']}"] if "working_dir" in data else []
    env = "".join(f"{line}\n" for line in data["env"])
    argv = ["docker", "exec", *directory, *_env_file(env), data["id"], *data["command"]]
    result = context.run(argv, stdin=env.encode() or None, timeout=data.get("timeout"))
    return process_outcome(result, data["success_codes"], "command", context)


@_changing("docker.pull.execute", ImageSchema)
def image_pull(data: dict[str, Any], context: Context) -> Outcome:
    """Fetch an image, or its newest version. A check only sees whether the host has the image at all."""
    require_docker()
    image = data["image"]
    before = inspected("image", image, context)
    if data["check"]:
        diff = "" if before else state_diff(f"image {image}", {}, {"present": True})
        return change_outcome(Change(before is None, diff), data, _image_state(image, before))
    docker(["pull", "--quiet", image], context)
    after = inspected("image", image, context)
    ids = [(image_entry or {}).get("Id") for image_entry in (before, after)]
    diff = state_diff(f"image {image}", {"id": ids[0]}, {"id": ids[1]})
    return change_outcome(Change(ids[0] != ids[1], diff), data, _image_state(image, after))


@_changing("docker.imageRemove.execute", ImageRemoveSchema)
def image_remove(data: dict[str, Any], context: Context) -> Outcome:
    """Remove an image; nothing happens if there is none."""
    require_docker()
    image = data["image"]
    entry = inspected("image", image, context)
    if entry is None:
        return change_outcome(Change(False, message="There is no such image."), data, {"id": image})
    if not data["check"]:
        docker(["image", "rm", *(["--force"] if data["force"] else []), image], context)
    diff = state_diff(f"image {image}", {"id": entry.get("Id")}, {})
    return change_outcome(Change(True, diff), data, {"id": entry.get("Id", "")})


def _digest(data: Mapping[str, Any]) -> str:
    names = ("image", "hostname", "dns", "command", "env", "ports", "volumes")
    text = json.dumps({name: data[name] for name in names if data.get(name)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _existing(entry: Mapping[str, Any], digest: str, data: Mapping[str, Any], context: Context) -> Outcome:
    labels = entry.get("Config", {}).get("Labels") or {}
    if labels.get(_LABEL) != digest:
        raise OperationFailed(
            f"This host has a container {data['name']} with a different configuration; "
            "docker.remove.execute removes it."
        )
    is_right = state(entry) == _RUNNING or not data["auto_start"]
    return _into(entry, _RUNNING, is_right, ["start", data["name"]], data, context)


def _creation(data: Mapping[str, Any], digest: str) -> list[str]:
    options = [f"--{name}={data[name]}" for name in ("name", "hostname") if name in data]
    for option, field in (("dns", "dns"), ("publish", "ports"), ("volume", "volumes")):
        options.extend(f"--{option}={value}" for value in data[field])
    env = _env_file("\n" if data["env"] else "")
    return ["create", f"--label={_LABEL}={digest}", *options, *env, "--", data["image"], *data["command"]]


def _env_file(lines: str) -> list[str]:
    # a command line can be read by every user of the host
    return ["--env-file=/dev/stdin"] if lines else []


def _into(
    entry: Mapping[str, Any],
    after: str,
    is_right: bool,
    argv: list[str],
    data: Mapping[str, Any],
    context: Context,
) -> Outcome:
    """Bring a container into the state ``after`` ("": removed) by ``docker argv``, unless it is there."""
    answer = summary(entry)
    if is_right:
        return change_outcome(Change(False), data, answer)
    if not data["check"]:
        docker(argv, context)
        answer["state"] = after
    diff = state_diff(f"container {answer['name']}", {"state": state(entry)}, {"state": after or None})
    return change_outcome(Change(True, diff), data, answer)


def _ports(bindings: Mapping[str, Any]) -> list[str]:
    return [
        f"{host.get('HostPort', '')}:{port.removesuffix('/tcp')}"
        for port, hosts in bindings.items()
        for host in hosts or ()
    ]


def _image_state(image: str, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    known = {"image_id": entry.get("Id", ""), "size": entry.get("Size")} if entry else {}
    return {**known, "tag": tag or "latest"}
