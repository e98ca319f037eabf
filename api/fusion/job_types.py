"""From a configuration of runs to the operation that does what its type names."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from jobqueue.errors import InvalidInput, UnknownOperation
from jobqueue.model.configuration import Configuration
from jobqueue.model.target import ANY, Target
from jobqueue.operations.registry import Registry
from jobqueue.plain_text import without_mark

AGGREGATION = "aggregation"
AGGREGATION_OPERATION = "aggregation.run"
PYTHON_JOB = "custom_python_job"
SCRIPT = "script"

_PYTHON = "script.python.execute"
_SHELL = "script.shell.execute"
_SUFFIXES = {".py": _PYTHON, ".sh": _SHELL, ".bash": _SHELL}
_LANGUAGES = {"python": _PYTHON, "python3": _PYTHON, "shell": _SHELL, "sh": _SHELL, "bash": _SHELL}
#: Fields of a configuration that are about the run itself, and never data of an operation.
_FRAME = frozenset({"id", "type", "updates", "sparkConfig", "targetHostname", "data"})


@dataclass(frozen=True)
class Task:
    """What to submit for a run."""

    operation: str
    data: Mapping[str, Any]
    target: str = ANY


@dataclass(frozen=True)
class Moments:
    """What an aggregation goes by, as ISO 8601: it reads what came after ``last_run`` and not after ``reference``."""

    reference: str
    last_run: str | None


def task_of(configuration: Configuration, registry: Registry, run_id: str, moments: Callable[[], Moments]) -> Task:
    """What a run of ``configuration`` does.

    Raises ``UnknownOperation`` for an unknown type, ``InvalidInput`` for fields that do not fit it.
    """
    fields, kind = configuration.fields, configuration.type
    if kind == AGGREGATION:
        operation, data = AGGREGATION_OPERATION, _aggregation(fields, run_id, moments())
    elif kind == PYTHON_JOB:
        operation, data = _PYTHON, _script(fields, with_modules=True)
    elif kind == SCRIPT:
        operation = _language(fields)
        data = _script(fields, with_modules=operation == _PYTHON)
    else:
        operation, data = kind, _own_data(fields)
    if operation in registry.absent:
        raise UnknownOperation(registry.absent[operation].why)
    if operation not in registry:
        raise UnknownOperation(
            f"Unknown job type {kind!r}: use {AGGREGATION}, {PYTHON_JOB} or {SCRIPT}, or the name of an operation "
            "(`jobqueue operation list` shows them)."
        )
    return Task(operation, data, _target(fields))


def operations_of(configuration: Configuration) -> tuple[str, ...]:
    """The operations that a run of ``configuration`` may be; several where its fields leave that open."""
    kind = configuration.type
    if kind == SCRIPT:
        try:
            return (_language(configuration.fields),)
        except InvalidInput:  # as it is, no run of it can start
            return (_PYTHON, _SHELL)
    return ({AGGREGATION: AGGREGATION_OPERATION, PYTHON_JOB: _PYTHON}.get(kind, kind),)


def own_data_of(configuration: Configuration) -> dict[str, Any]:
    """The data of a configuration whose type is an operation; empty if it is not valid."""
    try:
        return _own_data(configuration.fields)
    except InvalidInput:
        return {}


def _aggregation(fields: Mapping[str, Any], run_id: str, moments: Moments) -> dict[str, Any]:
    # the reference time is fixed here, so that a second attempt reads what the first one read
    reference = fields.get("referenceTime") or moments.reference
    return {**fields, "referenceTime": reference, "run_id": run_id, "last_run": moments.last_run}


def _script(fields: Mapping[str, Any], *, with_modules: bool) -> dict[str, Any]:
    if "script" not in fields:
        raise _bad("script", "Missing; give the code itself, or the path of a file on the agent.")
    data: dict[str, Any] = {
        "script": fields["script"],
        "args": _arguments(fields),
        "env": dict(_pairs(fields, "envOptions")),
        "verbose": fields.get("verboseReporting") is True,
    }
    if "success_codes" in fields:
        data["success_codes"] = fields["success_codes"]
    if with_modules:
        data["python_files"] = _texts(fields, "pythonFiles")
    return data


def _language(fields: Mapping[str, Any]) -> str:
    """The operation for a script: what it says, else its #! line or the end of its file's name.

    Raises ``InvalidInput`` where nothing says it: the clients of this API mean Scala then, which nothing here runs.
    """
    named = fields.get("language")
    if named is not None:
        if not isinstance(named, str) or named.lower() not in _LANGUAGES:
            raise _bad("language", f"Must be one of {', '.join(_LANGUAGES)}.")
        return _LANGUAGES[named.lower()]
    script = fields.get("script")
    text = without_mark(script).strip() if isinstance(script, str) else ""
    first = text.partition("\n")[0]
    if first.startswith("#!"):
        return _PYTHON if "python" in first else _SHELL
    language = _SUFFIXES.get(PurePath(first).suffix) if first == text else None
    if language is None:
        raise _bad(
            "language",
            "Missing; a script without a language is Scala in Fusion, which cannot run here. Give "
            f"{', '.join(_LANGUAGES)}, or begin the script with a #! line.",
        )
    return language


def _own_data(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an operation that a type names: the field ``data``, or all that is not about the run itself."""
    if "data" in fields:
        if not isinstance(fields["data"], Mapping):
            raise _bad("data", "Must be a JSON object: the data of the operation.")
        return dict(fields["data"])
    return {name: value for name, value in fields.items() if name not in _FRAME}


def _target(fields: Mapping[str, Any]) -> str:
    text = fields.get("targetHostname", ANY)
    if not isinstance(text, str):
        raise _bad("targetHostname", "Must be a string: the hostname of an agent.")
    target = Target.parse(text)
    if target.is_broadcast:
        raise _bad("targetHostname", "A run has one driver: give the hostname of one agent, or leave it out.")
    return target.text


def _arguments(fields: Mapping[str, Any]) -> list[str]:
    """``submitArgs``: a line, a list of texts, or a list of {key, value}, whose empty values are left out."""
    arguments = fields.get("submitArgs", [])
    if isinstance(arguments, str):
        try:
            return shlex.split(arguments)
        except ValueError as error:
            raise _bad("submitArgs", f"Not a valid argument line: {error}.") from error
    if isinstance(arguments, list) and all(isinstance(item, str) for item in arguments):
        return list(arguments)
    return [text for pair in _pairs(fields, "submitArgs") for text in pair if text]


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    entries = fields.get(name, [])
    texts = entries.split(",") if isinstance(entries, str) else entries
    if not isinstance(texts, list) or not all(isinstance(item, str) for item in texts):
        raise _bad(name, "Must be a list of strings.")
    return [item.strip() for item in texts if item.strip()]


def _pairs(fields: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """A list of {key, value}, or an object."""
    pairs = fields.get(name, [])
    if isinstance(pairs, Mapping):
        pairs = [{"key": key, "value": value} for key, value in pairs.items()]
    if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
        raise _bad(name, "Must be a list of objects with key and value, both strings.")
    return [(item["key"], item.get("value", "")) for item in pairs]


def _is_pair(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        and set(item) <= {"key", "value"}
        and bool(item.get("key"))
        and all(isinstance(value, str) for value in item.values())
    )


def _bad(field: str, sentence: str) -> InvalidInput:
    return InvalidInput(f"{field}: {sentence}", {field: [sentence]})
