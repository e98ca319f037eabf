"""Groups of the system."""

from __future__ import annotations

import grp
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.account import account_id, account_name
from jobqueue.operations.ansible.change_by_module import StateChange, change_by_module
from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, state_diff
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Flag, Items, Schema
from jobqueue.operations.tool import run_tool

_READ, _WRITE = "agent:read", "user:write"
_MAX_MEMBERS = 10_000
_MODULE = "group"


class NameSchema(Schema):
    name = account_name(required=True)


class CreateSchema(ChangeSchema):
    name = account_name(required=True)
    gid = account_id()
    system = Flag(load_default=False, metadata={"description": "A system group, when it is created."})


class MembersSchema(ChangeSchema):
    name = account_name(required=True)
    members = Items(
        account_name(),
        required=True,
        validate=validate.Length(max=_MAX_MEMBERS),
        metadata={"description": "Exactly these users, which must exist."},
    )


class DeleteSchema(ChangeSchema):
    name = account_name(required=True)


@operation("node.group.list", permission=_READ)
def group_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Groups with their numbers and members."""
    groups = [_group(entry) for entry in grp.getgrall()]
    return {"groups": sorted(groups, key=lambda group: (group["gid"], group["name"]))}


@operation("node.group.get", schema=NameSchema, permission=_READ)
def group_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One group."""
    return {"groups": [_present(data["name"])]}


@operation(
    "node.group.create", schema=CreateSchema, changes=True, idempotent=True, permission=_WRITE, lacks=lack_of_ansible
)
def group_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create a group, or give an existing one this number."""
    name = data["name"]
    arguments = {"name": name, "gid": data.get("gid"), "system": data["system"]}
    before = {key: value for key, value in (_current(name) or {}).items() if key in ("name", "gid")}
    state_change = StateChange(f"group {name}", before, {"name": name, "gid": data.get("gid", before.get("gid"))})
    return change_by_module(_MODULE, arguments, data, context, {"name": name}, state_change)


@operation(
    "node.group.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE, lacks=lack_of_ansible
)
def group_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Delete a group; does nothing if it does not exist. The agent's own group and root's are kept."""
    name = data["name"]
    state_change = StateChange(f"group {name}", _current(name) or {})
    return change_by_module(_MODULE, {"name": name, "state": "absent"}, data, context, {"name": name}, state_change)


@operation("node.group.update", schema=MembersSchema, changes=True, idempotent=True, permission=_WRITE)
def group_update(data: dict[str, Any], context: Context) -> Outcome:
    """Set the members of a group."""
    name = data["name"]
    before, after = _present(name)["members"], sorted(set(data["members"]))
    changed = before != after
    if changed and not data["check"]:
        run_tool(["gpasswd", "--members", ",".join(after), name], context)
    diff = state_diff(f"group {name}", {"members": before}, {"members": after})
    return change_outcome(Change(changed, diff), data, {"name": name})


def _present(name: str) -> dict[str, Any]:
    group = _current(name)
    if group is None:
        raise OperationFailed(f"This host has no group {name}.")
    return group


def _current(name: str) -> dict[str, Any] | None:
    try:
        return _group(grp.getgrnam(name))
    except KeyError:
        return None


def _group(entry: grp.struct_group) -> dict[str, Any]:
    return {"name": entry.gr_name, "gid": entry.gr_gid, "members": sorted(entry.gr_mem)}
