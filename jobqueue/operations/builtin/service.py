"""Services of systemd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.operations.ansible.change_by_module import StateChange, change_by_module
from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.base import Operation, operation
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Schema, Text, shape
from jobqueue.operations.self_protection import protect_unit
from jobqueue.operations.systemd import require_systemd, service, services

_READ, _WRITE = "agent:read", "service:write"


def _service_name() -> Text:
    return Text(
        required=True,
        **shape(
            r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}",
            "Must be the name of one service, such as nginx or getty@tty1.",
        ),
    )


class NameSchema(Schema):
    name = _service_name()


class ServiceSchema(ChangeSchema):
    name = _service_name()


@operation("node.service.list", permission=_READ)
def service_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Loaded services of systemd: state, whether they start at boot, main process."""
    require_systemd()
    return {"services": services(context)}


@operation("node.service.get", schema=NameSchema, permission=_READ)
def service_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One service of systemd."""
    require_systemd()
    return {"service": service(context, data["name"])}


def _changing(verb: str, summary: str, arguments: Mapping[str, Any], after: Mapping[str, Any]) -> Operation:
    @operation(
        f"node.service.{verb}",
        summary=summary,
        schema=ServiceSchema,
        changes=True,
        idempotent=True,
        permission=_WRITE,
        only_starts_processes=True,
        lacks=lack_of_ansible,
    )
    def change(data: dict[str, Any], context: Context) -> Outcome:
        require_systemd()
        name = data["name"]
        if verb in ("stop", "restart", "disable"):
            protect_unit(name)
        present = service(context, name)
        before = {key: present[key] for key in after}
        state_change = StateChange(f"service {name}", before, after)
        return change_by_module(
            "systemd_service", {"name": name, **arguments}, data, context, {"name": name}, state_change
        )

    return change


START = _changing("start", "Start a service, if it is not running.", {"state": "started"}, {"status": "active"})
STOP = _changing("stop", "Stop a service, if it is running.", {"state": "stopped"}, {"status": "inactive"})
RESTART = _changing("restart", "Restart a service.", {"state": "restarted"}, {"status": "restarted"})
ENABLE = _changing("enable", "Have a service start at boot.", {"enabled": True}, {"enabled": True})
DISABLE = _changing("disable", "Keep a service from starting at boot.", {"enabled": False}, {"enabled": False})
