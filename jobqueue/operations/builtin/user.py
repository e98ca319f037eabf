"""Users of the system."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Mapping
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.account import account_id, account_name, user_entry
from jobqueue.operations.ansible.change_by_module import StateChange, change_by_module
from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.base import operation
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.password_hash import hashed, is_locked, shadow_entries
from jobqueue.operations.schema import Flag, Items, Path, Schema, Text

_READ, _WRITE = "agent:read", "user:write"
_MAX_GROUPS = 1000
_MODULE = "user"


def _password(*, required: bool = False) -> Text:
    return Text(
        required=required,
        validate=validate.Length(1, 500),
        metadata={"description": 'The password or its hash; better a secret of the host: {"$secret": NAME}.'},
    )


def _groups() -> Items:
    return Items(
        account_name(),
        validate=validate.Length(max=_MAX_GROUPS),
        metadata={"description": "Exactly these supplementary groups, which must exist."},
    )


class NameSchema(Schema):
    name = account_name(required=True)


class CreateSchema(ChangeSchema):
    name = account_name(required=True)
    uid = account_id()
    gid = account_id("Number of the primary group.")
    home = Path(validate=validate.Length(2))
    shell = Path(validate=validate.Length(2))
    groups = _groups()
    password = _password()
    system = Flag(load_default=False, metadata={"description": "A system user, when it is created."})


class UpdateSchema(ChangeSchema):
    name = account_name(required=True)
    home = Path(validate=validate.Length(2))
    shell = Path(validate=validate.Length(2))
    groups = _groups()
    lock = Flag(metadata={"description": "Lock or unlock the password."})


class DeleteSchema(ChangeSchema):
    name = account_name(required=True)
    remove_home = Flag(load_default=False, metadata={"description": "Delete the home directory as well."})


class PasswordSchema(ChangeSchema):
    name = account_name(required=True)
    password = _password(required=True)


@operation("node.user.list", permission=_READ)
def user_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Users with numbers, home, shell and groups; whether their passwords are locked, if the agent may know."""
    entries = shadow_entries()
    groups = _groups_by_member()
    users = [_user(entry, groups, entries) for entry in pwd.getpwall()]
    return {"users": sorted(users, key=lambda user: (user["uid"], user["name"]))}


@operation("node.user.get", schema=NameSchema, permission=_READ)
def user_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One user."""
    return {"users": [_present(data["name"])]}


@operation(
    "node.user.create",
    schema=CreateSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    lacks=lack_of_ansible,
)
def user_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create a user, or give an existing one these properties."""
    name = data["name"]
    properties: dict[str, Any] = {key: data[key] for key in ("uid", "gid", "home", "shell", "groups") if key in data}
    arguments = {
        "name": name,
        "uid": data.get("uid"),
        "group": str(data["gid"]) if "gid" in data else None,
        "home": data.get("home"),
        "shell": data.get("shell"),
        "groups": data.get("groups"),
        "password": hashed(data["password"], name) if "password" in data else None,
        "system": data["system"],
    }
    before = _current(name) or {}
    state_change = StateChange(f"user {name}", _of(before, ("name", *properties)), {"name": name, **properties})
    return change_by_module(_MODULE, arguments, data, context, {"name": name}, state_change)


@operation(
    "node.user.update", schema=UpdateSchema, changes=True, idempotent=True, permission=_WRITE, lacks=lack_of_ansible
)
def user_update(data: dict[str, Any], context: Context) -> Outcome:
    """Change the shell, home or groups of a user, or lock its password; fields that are not given keep their values."""
    name = data["name"]
    before = _present(name)
    after: dict[str, Any] = {key: data[key] for key in ("home", "shell", "groups") if key in data}
    if "lock" in data:
        after["locked"] = data["lock"]
    arguments = {
        "name": name,
        "home": data.get("home"),
        "shell": data.get("shell"),
        "groups": data.get("groups"),
        "password_lock": data.get("lock"),
    }
    state_change = StateChange(f"user {name}", _of(before, after), after)
    return change_by_module(_MODULE, arguments, data, context, {"name": name}, state_change)


@operation(
    "node.user.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE, lacks=lack_of_ansible
)
def user_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Delete a user; does nothing if it does not exist. The agent's own user and root are kept."""
    name = data["name"]
    arguments = {"name": name, "state": "absent", "remove": data["remove_home"]}
    state_change = StateChange(f"user {name}", _of(_current(name) or {}, ("name", "uid", "home")))
    return change_by_module(_MODULE, arguments, data, context, {"name": name}, state_change)


@operation(
    "node.user.password", schema=PasswordSchema, changes=True, idempotent=True, permission=_WRITE, lacks=lack_of_ansible
)
def user_password(data: dict[str, Any], context: Context) -> Outcome:
    """Set the password of a user; does nothing if the user already has it."""
    name = data["name"]
    user_entry(name)
    arguments = {"name": name, "password": hashed(data["password"], name)}
    state_change = StateChange(f"user {name}", {"password": "the present one"}, {"password": "another one"})
    return change_by_module(_MODULE, arguments, data, context, {"name": name}, state_change)


def _of(user: Mapping[str, Any], names: Any) -> dict[str, Any]:
    return {name: user[name] for name in names if name in user}


def _present(name: str) -> dict[str, Any]:
    """The user. Raises ``OperationFailed`` for one that this host does not have."""
    return _user(user_entry(name), _groups_by_member(), shadow_entries())


def _current(name: str) -> dict[str, Any] | None:
    try:
        return _present(name)
    except OperationFailed:
        return None


def _groups_by_member() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for group in grp.getgrall():
        for member in group.gr_mem:
            groups.setdefault(member, []).append(group.gr_name)
    return groups


def _user(entry: pwd.struct_passwd, groups: Mapping[str, list[str]], shadow: Mapping[str, str]) -> dict[str, Any]:
    stored = shadow.get(entry.pw_name)
    return {
        "name": entry.pw_name,
        "uid": entry.pw_uid,
        "gid": entry.pw_gid,
        "home": entry.pw_dir,
        "shell": entry.pw_shell,
        "groups": sorted(groups.get(entry.pw_name, [])),
        "locked": None if stored is None else is_locked(stored),
    }
