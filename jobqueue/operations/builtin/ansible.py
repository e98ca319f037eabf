"""Any module of ansible-core, and of the collections that the host has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validate, validates

from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.ansible.module_name import MODULE_NAME
from jobqueue.operations.ansible.module_run import RESERVED, run_module
from jobqueue.operations.base import SHELL, operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Entries, Text, timeout_field


class ModuleSchema(ChangeSchema):
    module = Text(
        required=True,
        validate=[validate.Length(max=200), MODULE_NAME],
        metadata={"description": "The module's name, such as lineinfile; ansible.posix.mount for one of a collection."},
    )
    args = Entries(
        keys=Text(validate=validate.Length(1, 200)),
        load_default=dict,
        metadata={"description": "The module's arguments, as its documentation describes them."},
    )
    timeout = timeout_field()

    @validates("args")
    def _own_arguments(self, value: Mapping[str, Any], **_kwargs: Any) -> None:
        reserved = sorted(name for name in value if name.startswith(RESERVED))
        if reserved:
            raise ValidationError(f"Must not contain {reserved[0]}: check and diff are fields of the data.")


@operation(
    "ansible.module",
    schema=ModuleSchema,
    changes=True,
    permission="ansible:execute",
    only_starts_processes=True,
    # where the modules that run commands (command, shell, raw, script) have the command's text
    code={"args.cmd": SHELL, "args._raw_params": SHELL},
    lacks=lack_of_ansible,
)
def module_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Run an Ansible module, like a task of a playbook."""
    module: str = data["module"]
    answer = run_module(module, data["args"], context, check=data["check"], timeout=data.get("timeout"))
    error = f"The module {module} failed: {answer.message or 'it gave no reason'}" if answer.failed else None
    change = Change(answer.changed, answer.diff, "" if error else answer.message, error)
    return change_outcome(change, data, {"module": module, "result": dict(answer.result)})
