"""The sequence of one of Rundeck's jobs as an operation: that of its step, or one with several steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.cli.imports.imported import NotTakenOver, literal
from jobqueue.cli.imports.rundeck_options import Options
from jobqueue.cli.imports.rundeck_step import operation_of, plain_step
from jobqueue.cli.imports.rundeck_values import as_flag, as_line, check_fields
from jobqueue.cli.views.text import one_line
from jobqueue.cli.work import STEPS

_SEQUENCE = {"keepgoing", "strategy", "commands", "pluginConfig"}
#: The order in which a job with several steps runs them: all of them on each node.
_NODE_FIRST = ("node-first", "", None)
#: Other orders, which are the same for a single step.
_OTHER_ORDERS = {
    "step-first": "each step on all nodes before the next one",
    "sequential": "each step on all nodes before the next one",
    "parallel": "all steps at the same time",
}
_HANDLER = "errorhandler"
_ON_SUCCESS = "keepgoingOnSuccess"
_LONGEST_NAME, _MOST_STEPS = 60, 50


@dataclass
class Converted:
    """The operation of a job, and what differs."""

    operation: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def sequence_of(sequence: Any, options: Options) -> Converted:
    """The operation of a sequence. Raises ``NotTakenOver``."""
    if not isinstance(sequence, Mapping):
        raise NotTakenOver("it has no sequence of steps.")
    check_fields(sequence, _SEQUENCE, "its sequence")
    if sequence.get("strategy") not in (*_NODE_FIRST, *_OTHER_ORDERS):
        raise NotTakenOver(f"its sequence has the strategy {one_line(sequence['strategy'])}.")
    commands = sequence.get("commands")
    if not isinstance(commands, list) or not commands:
        raise NotTakenOver("its sequence has no steps.")
    converted = Converted()
    if sequence.get("pluginConfig"):
        converted.notes.append("the log filters of its sequence are left out.")
    if len(commands) == 1 and not (isinstance(commands[0], Mapping) and commands[0].get(_HANDLER)):
        step = _enabled(commands[0], "its step", converted)
        if step is None:
            raise NotTakenOver("its step is disabled.")
        converted.operation = operation_of(step, options)
        return converted
    order = _OTHER_ORDERS.get(str(sequence.get("strategy")))
    if order:
        raise NotTakenOver(
            f"its strategy is {one_line(sequence['strategy'])}, {order}; a job runs all steps on a host, one by one."
        )
    keeps_going = as_flag(sequence.get("keepgoing"), "keepgoing")
    steps = list(_steps(commands, options, converted, keeps_going=keeps_going))
    if not steps:
        raise NotTakenOver("all of its steps are disabled.")
    if len(steps) > _MOST_STEPS:
        raise NotTakenOver(f"it has {len(steps)} steps and error handlers; a job has at most {_MOST_STEPS}.")
    converted.operation = {"type": STEPS, "data": {"steps": steps}}
    return converted


def _steps(
    commands: list[Any], options: Options, converted: Converted, *, keeps_going: bool
) -> Iterator[dict[str, Any]]:
    names: set[str] = set()
    for number, command in enumerate(commands, 1):
        place = f"step {number}"
        try:
            step = _enabled(command, place, converted)
            if step is None:
                converted.notes.append(f"{place} is disabled and left out.")
                continue
            handler = step.get(_HANDLER)
            rest = {name: value for name, value in step.items() if name != _HANDLER}
            name = _name(rest, place, names)
            yield {
                "name": literal(name),
                "operation": operation_of(rest, options),
                # "run remaining steps before failing": a step before it may have failed
                **({"when": "always"} if keeps_going and number > 1 else {}),
            }
            if handler:
                yield _handler(handler, name, options, converted, names, keeps_going=keeps_going)
        except NotTakenOver as reason:
            raise NotTakenOver(f"{place}: {reason}") from reason


def _handler(
    handler: Any, handled: str, options: Options, converted: Converted, names: set[str], *, keeps_going: bool
) -> dict[str, Any]:
    """The error handler of a step. Where the sequence keeps going, its success is that of the step."""
    place = f"the error handler of {handled}"
    step = _enabled(handler, place, converted)
    if step is None:
        raise NotTakenOver("its error handler is disabled.")
    recovers = keeps_going or as_flag(step.get(_ON_SUCCESS), _ON_SUCCESS)
    rest = {name: value for name, value in step.items() if name != _ON_SUCCESS}
    return {
        "name": literal(_name(rest, f"{handled}: error handler", names)),
        "handles": literal(handled),
        "operation": operation_of(rest, options),
        **({"recovers": True} if recovers else {}),
    }


def _enabled(step: Any, place: str, converted: Converted) -> Mapping[str, Any] | None:
    """The step with the fields of a plain one; None if it is disabled."""
    plain = plain_step(step)
    if plain.get("plugins"):
        converted.notes.append(f"the log filters of {place} are left out.")
    return plain if as_flag(plain.get("enabled", True), f"enabled of {place}") else None


def _name(step: Mapping[str, Any], default: str, names: set[str]) -> str:
    """A unique name: the description of the step, or ``default``."""
    wanted = as_line(step.get("description"), _LONGEST_NAME) or as_line(default, _LONGEST_NAME)
    name, number = wanted, 1
    while name in names:
        number += 1
        suffix = f" ({number})"
        name = f"{wanted[: _LONGEST_NAME - len(suffix)]}{suffix}"
    names.add(name)
    return name
