"""Values of earlier steps in the data of a later one: ``@step.NAME.FIELD``, and what a submission may say of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobqueue.errors import InvalidInput, OperationFailed
from jobqueue.operations.references import IN_STEPS, STEP, Reference, references_in, touches_code
from jobqueue.operations.result import checked
from jobqueue.operations.schema import MAX_PROBLEMS
from jobqueue.operations.step import StepRun, StepState
from jobqueue.operations.text import brief
from jobqueue.trust.secrets.reference import has_secret

if TYPE_CHECKING:
    from jobqueue.operations.base import Operation

#: The values of a step: single ones, and those that a path may follow. ``json`` is the standard output, parsed.
_SINGLE = STATE, CHANGED, ERROR, STDOUT, STDERR = ("state", "changed", "error", "stdout", "stderr")
_WITH_PATH = RESULT, JSON = ("result", "json")
FIELDS = (*_SINGLE, *_WITH_PATH)
#: Those that a step without a result has, too.
ALWAYS_KNOWN = (STATE, CHANGED, ERROR)
_LISTED = ", ".join(FIELDS)
#: References in the data of one step.
MAX_REFERENCES = 1000
_MOST_SHOWN = 8
_LARGEST_JSON = 1024 * 1024


class StepValues:
    """The values of the steps that have ended on this host."""

    def __init__(self, runs: Iterable[StepRun]) -> None:
        self._runs = {run.step.name: run for run in runs}
        #: By step: what its output is as JSON. It may be large, and used often.
        self._json: dict[str, Any] = {}

    def value(self, name: str) -> Any:
        """The value of ``NAME.FIELD`` or ``NAME.FIELD.PATH``. Raises ``OperationFailed`` for one that there is not."""
        step, field, path = split(name, self._runs)
        value = self.field(step, field)
        for depth, key in enumerate(path):
            value = _member(value, key, ".".join((step, field, *path[:depth])))
        if has_secret(value):
            raise OperationFailed(f"{_written(name)} has the form of a reference to a secret, so it is not used.")
        return value

    def has_result(self, step: str) -> bool:
        """Whether the step has run and left a result."""
        return self._runs[step].result is not None

    def field(self, step: str, field: str) -> Any:
        """One of ``FIELDS`` of a step. Raises ``OperationFailed`` if it has none."""
        run = self._runs[step]
        if field == STATE:
            return run.state.value
        if field == CHANGED:
            return bool(run.changed)
        if field == ERROR:
            return run.error
        if run.result is None:
            why = f": {run.error}" if run.state is StepState.SKIPPED and run.error else ""
            raise OperationFailed(f"Step {step!r} has no {field}: it is {run.state.value}{why}.")
        if field == RESULT:
            return run.result
        if field != JSON:
            return _output(step, run, field)
        if step not in self._json:
            self._json[step] = _parsed(step, run)
        return self._json[step]


def split(name: str, steps: Iterable[str]) -> tuple[str, str, list[str]]:
    """The step, its field and the path of a reference. Raises ``InvalidInput`` with a sentence."""
    matching = [step for step in steps if name == step or name.startswith(f"{step}.")]
    if not matching:
        raise InvalidInput(_unknown_step(name, steps))
    step = max(matching, key=len)  # names may have dots
    field, *path = name[len(step) + 1 :].split(".")
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        problem = f"{field!r} is not a value of a step" if field else "which value of the step is missing"
        raise InvalidInput(f"{_written(name)}: {problem}; there are {_LISTED}.{hint}")
    if field in _SINGLE and path:
        raise InvalidInput(f"{_written(name)}: {field} is a single value, nothing can follow it.")
    if not all(path):
        raise InvalidInput(f"{_written(name)}: a name is missing between two dots or at the end.")
    return step, field, path


def used_steps(data: Any, earlier: Iterable[str]) -> tuple[str, ...]:
    """The names of the steps whose values the data uses, each once."""
    names = tuple(earlier)
    return tuple(dict.fromkeys(split(reference.name, names)[0] for reference in step_references(data)))


def step_references(data: Any) -> Iterator[Reference]:
    """The references to steps in the data of one."""
    return (reference for reference in references_in(data, IN_STEPS) if reference.kind == STEP)


def check_references(operation: Operation, data: Mapping[str, Any], earlier: Sequence[str]) -> bool:
    """Whether the data of a step uses values of ``earlier`` ones, checked as far as they are known before a run.

    Raises ``InvalidInput``, its details by the dotted path within the data.
    """
    fixed: frozenset[str] | None = None
    problems: dict[str, list[str]] = {}
    count = faults = 0
    for count, reference in enumerate(step_references(data), 1):
        if count > MAX_REFERENCES:
            raise InvalidInput.of("", f"At most {MAX_REFERENCES} references to earlier steps in one step.")
        if fixed is None:
            fixed = _fields_of_permissions(operation, data)
        try:
            split(reference.name, earlier)
            _check_field(operation, reference, fixed)
        except InvalidInput as error:
            problems.setdefault(".".join(map(str, reference.way)), []).append(error.message)
            faults += 1
        if faults == MAX_PROBLEMS:  # finding similar names takes time
            break
    if problems:
        raise InvalidInput(next(iter(problems.values()))[0], problems)
    return count > 0


def _check_field(operation: Operation, reference: Reference, fixed: frozenset[str]) -> None:
    field = reference.way[0]
    if touches_code(".".join(map(str, reference.way)), operation.code):
        raise InvalidInput(
            f"{reference.written} would become code. Pass it in env or in an argument instead, such as "
            f'{{"env": {{"VALUE": "{reference.written}"}}}} and "$VALUE" in the script; for the text itself, write '
            f"@{reference.written}."
        )
    if field in fixed:
        raise InvalidInput(f"{reference.written}: the permissions of {operation.type} depend on {field}; give it here.")


def _fields_of_permissions(operation: Operation, data: Mapping[str, Any]) -> frozenset[str]:
    """The fields whose values decide which further permissions the operation needs."""
    if operation.further_permissions is None:
        return frozenset()
    read = _Reads(data)
    operation.further_permissions(read)
    return frozenset(read.names)


class _Reads(Mapping[str, Any]):
    """Notes which values are read. Whether there is a field, is known without its value."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._data[name]

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


def _written(name: str) -> str:
    return f"@{STEP}.{brief(name, 100)}"


def _unknown_step(name: str, steps: Iterable[str]) -> str:
    names = list(steps)
    first = name.partition(".")[0]
    longer = next((step for step in names if step.startswith((name, first))), None)
    if longer is not None:
        hint = f" Write the name of {longer!r} in braces: @{STEP}.{{{longer}.{STDOUT}}}."
    elif near := difflib.get_close_matches(first, names, n=1):
        hint = f" Did you mean {near[0]!r}?"
    else:
        hint = f" Earlier steps: {', '.join(map(repr, names[:_MOST_SHOWN]))}." if names else " It is the first step."
    return f"{_written(name)}: no earlier step has this name.{hint} For the text itself, write @{_written(name)}."


def _output(step: str, run: StepRun, field: str) -> str:
    """The output without the line breaks at its end, as a shell inserts it."""
    text = run.result.get(field) if isinstance(run.result, Mapping) else None
    if not isinstance(text, str):
        raise OperationFailed(f"Step {step!r} has no {field}: the result of {run.step.operation} has none.")
    if run.result.get("truncated") is True:
        raise OperationFailed(
            f"The output of step {step!r} is not complete ({run.result.get('notice', 'it was cut')}), so it is not "
            "used; pass long texts in a file."
        )
    return text.rstrip("\r\n")


def _parsed(step: str, run: StepRun) -> Any:
    text = _output(step, run, STDOUT)
    try:
        return checked(json.loads(text), _LARGEST_JSON)
    except (ValueError, RecursionError, OperationFailed) as error:
        raise OperationFailed(f"The output of step {step!r} is not JSON: {brief(str(error), 200)}.") from error


def _member(value: Any, key: str, where: str) -> Any:
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        names = ", ".join(brief(str(name), 50) for name in list(value)[:_MOST_SHOWN]) or "nothing"
        raise OperationFailed(f"{_written(where)} has no {brief(key, 100)!r}; it has {names}.")
    if isinstance(value, list):
        if key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(value):
            return value[int(key)]
        raise OperationFailed(f"{_written(where)} is a list of {len(value)}; it has no {brief(key, 100)!r}.")
    raise OperationFailed(f"{_written(where)} is {_kind(value)}; it has no {brief(key, 100)!r}.")


def _kind(value: Any) -> str:
    return {str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
