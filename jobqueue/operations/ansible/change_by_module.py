"""Operations that a module of ansible-core carries out, with the common answer of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.operations.ansible.module_run import run_module
from jobqueue.operations.change import Change, change_outcome, state_diff
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome


@dataclass(frozen=True)
class StateChange:
    """The change of a state that a module makes; ``subject`` names what changes in a diff ("user deploy").

    ``before`` and ``after`` are its properties, for modules that give no diff of their own.
    """

    subject: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    def diff(self) -> str:
        """The properties that change; those that the module leaves are not shown."""
        return state_diff(self.subject, self.before, self.after)


def change_by_module(
    module: str,
    arguments: Mapping[str, Any],
    data: Mapping[str, Any],
    context: Context,
    answer: Mapping[str, Any],
    state_change: StateChange,
) -> Outcome:
    """Run ``module`` with those ``arguments`` that are not None; ``answer`` holds the operation's own fields.

    ``data`` is that of a ``ChangeSchema``. Raises as ``run_module`` does.
    """
    set_arguments = {name: value for name, value in arguments.items() if value is not None}
    result = run_module(module, set_arguments, context, check=data["check"])
    error = (result.message or f"The module {module} failed without a reason") if result.failed else None
    diff = result.diff or (state_change.diff() if result.changed else "")
    return change_outcome(Change(result.changed, diff, error=error), data, answer)
