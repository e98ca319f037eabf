"""OSAPI's roles and permissions, and what each grants here: the one table for tokens that OSAPI issues.

A call of a host is a job, and to submit jobs takes ``job:write``, which allows more than any call. A token gets it for
the call alone; outside of calls it has only what the table names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from api.osapi.call import Call
from api.osapi.calls import CALLS
from jobqueue.errors import PermissionDenied
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal
from jobqueue.services.submission_permissions import SUBMIT

#: The issuer of the tokens that ``osapi token generate`` makes.
ISSUER = "osapi"
_READ_JOBS = "job:read"
#: Whose calls take OSAPI's permission for them, whatever else the token grants.
_BY_TABLE = "osapi-token:only"


@dataclass(frozen=True)
class Grants:
    """What one permission of OSAPI grants: ``anywhere``; ``in_calls``, besides what the call's operation takes."""

    anywhere: tuple[str, ...] = ()
    in_calls: tuple[str, ...] = ()


def _same(*permissions: str, in_calls: tuple[str, ...] = ()) -> dict[str, Grants]:
    return {permission: Grants((permission,), in_calls) for permission in permissions}


_OBJECT = ("file:read",)
TABLE: Mapping[str, Grants] = {
    **_same("agent:read", "agent:write", "audit:read", "job:read", "job:write"),
    "health:read": Grants(("metrics:read",)),
    # the names of the operations that only read have no permission of their own here
    **dict.fromkeys(
        (
            *("node:read", "network:read", "process:read", "package:read", "service:read", "user:read"),
            *("sysctl:read", "timezone:read", "ntp:read", "certificate:read"),
        ),
        Grants(),
    ),
    **_same("log:read", "cron:read", "docker:read", "docker:write", "docker:execute"),
    **_same("file:read", "package:write", "user:write", "sysctl:write", "timezone:write", "ntp:write", "node:write"),
    **_same("network:write", "power:execute", "process:execute"),
    # these take an object
    **_same("file:write", "cron:write", "certificate:write", in_calls=_OBJECT),
    **_same("service:write", in_calls=(*_OBJECT, "file:write")),
    "command:execute": Grants(("command:execute", "shell:execute")),
}
_READS = frozenset(name for name in TABLE if name.endswith(":read") and name != "audit:read")
#: OSAPI's own roles. Other names are roles of jobqueue.
ROLES: Mapping[str, frozenset[str]] = {
    "read": _READS,
    "write": _READS | {name for name in TABLE if name.endswith(":write") and name != "agent:write"},
}
_ADMIN = "admin"

#: First part of a call's path -> OSAPI's resource, where they differ; what is missing here is a part of the node.
_RESOURCES = {"container": "docker", "schedule": "cron", "group": "user"}
_NODE = frozenset({"", "disk", "memory", "load", "os", "uptime", "hostname"})
_EXECUTE = frozenset({"command", "power", "process"})


def permission_of(call: Call) -> str:
    """The permission that OSAPI asks for a call, by its path and method."""
    first = call.path.removeprefix("/").partition("/")[0]
    resource = "node" if first in _NODE else _RESOURCES.get(first, first)
    if call.method == "GET" or call.path == "/file/status":
        return f"{resource}:read"
    is_execution = first in _EXECUTE or call.path.endswith("/exec")
    return f"{resource}:{'execute' if is_execution else 'write'}"


def own(permission: str) -> str:
    """The permission under which a principal has one of OSAPI's for calls: ``node:read`` is ``osapi-node:read``."""
    return f"osapi-{permission}"


#: The view of each call -> the permission that opens it to a principal without ``job:write``.
INSTEAD: Mapping[str, str] = {f"osapi_node.{call.name}": own(permission_of(call)) for call in CALLS}


def granted(roles: Iterable[str], permissions: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """What a token of OSAPI grants, and those of its roles that are jobqueue's.

    As in OSAPI, ``permissions`` take the place of all roles. Names that OSAPI does not have grant nothing.
    """
    names, others = frozenset(permissions), frozenset[str]()
    if not names:
        known = frozenset(roles)
        if _ADMIN in known:
            return frozenset({EVERYTHING}), frozenset()
        names = frozenset().union(*(ROLES[role] for role in known & ROLES.keys()))
        others = known - ROLES.keys()
    names &= TABLE.keys()
    anywhere = frozenset(name for permission in names for name in TABLE[permission].anywhere)
    return anywhere | {own(permission) for permission in names} | {_BY_TABLE}, others


def caller_of(call: Call, caller: Principal, operation_permission: str | None) -> Principal:
    """The principal of a call: with OSAPI's permission for it, it has during the call what the call takes.

    ``operation_permission``: that of the call's operation; None if it is not available. Raises ``PermissionDenied`` for
    a token of OSAPI without the permission.
    """
    permission = permission_of(call)
    if caller.may(own(permission)):
        needed = {SUBMIT, _READ_JOBS, *TABLE[permission].in_calls, *filter(None, [operation_permission])}
        return replace(caller, permissions=caller.permissions | needed)
    if _BY_TABLE in caller.permissions:
        raise PermissionDenied.of(caller.name, permission)
    return caller
