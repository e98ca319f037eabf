"""The name of the machine."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from jobqueue.operations.ansible.change_by_module import StateChange, change_by_module
from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.base import operation
from jobqueue.operations.builtin import host
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Match, Text

_LONGEST = 64  # that Linux takes


class HostnameSchema(ChangeSchema):
    hostname = Text(
        required=True,
        validate=[
            validate.Length(1, _LONGEST),
            Match(
                r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
                "Must be a hostname of letters, digits, hyphens and dots.",
            ),
        ],
    )


@operation(
    "node.hostname.update",
    schema=HostnameSchema,
    changes=True,
    idempotent=True,
    permission="node:write",
    only_starts_processes=True,
    lacks=lack_of_ansible,
)
def hostname_update(data: dict[str, Any], context: Context) -> Outcome:
    """Set the machine's name. An agent that has no name of its own keeps its present one until it restarts."""
    name = data["hostname"]
    state_change = StateChange("machine", {"hostname": host.system_hostname()}, {"hostname": name})
    return change_by_module("hostname", {"name": name}, data, context, {"hostname": name}, state_change)
