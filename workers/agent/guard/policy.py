"""The host owner's rules: which operations, with which arguments, as which user, within which limits."""

from __future__ import annotations

import json
import os
import posixpath
import pwd
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from jobqueue.errors import InvalidSettings
from jobqueue.file_rights import others_may_write
from jobqueue.operations.base import Operation
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.plain_text import decoded, reason_of
from jobqueue.wildcard import matches

#: The value in JOBQUEUE_ALLOW for all operations that change nothing and read no files.
READ_ONLY = "read-only"
#: Permissions of operations that look into files or containers, which may hold secrets.
_FILES = ("file:", "log:", "cron:", "docker:")
_LARGEST_FILE = 1024 * 1024
#: A pattern never allows longer arguments, and always denies them.
LONGEST_ARGUMENT = 64 * 1024
#: Characters that may delimit a path, or a part of one, within an argument.
_SEPARATORS = re.compile(r"[/\\\s=:,;'\"]")
_SLASHES = re.compile("/+")
_RULE = {"operations", "effect", "arguments", "run_as", "limits"}


@dataclass(frozen=True)
class Rule:
    """One rule. ``arguments``: field of the data -> required value; None: any data.

    An allow rule with ``arguments`` covers exactly the fields that it names. It does not cover data with other fields,
    because an environment or a directory can turn a harmless command into any other.
    """

    operations: tuple[str, ...]
    allows: bool
    arguments: Mapping[str, Any] | None = None
    run_as: str = ""
    limits: ResourceLimits | None = None

    def names(self, operation: str) -> bool:
        """Whether it applies to this operation."""
        return any(matches(pattern, operation) for pattern in self.operations)

    def covers(self, data: Mapping[str, Any]) -> bool:
        """Whether it applies to this data."""
        if self.arguments is None:
            return True
        if self.allows and not data.keys() <= self.arguments.keys():
            return False
        fits = _is_allowed if self.allows else _is_denied
        return all(name in data and _fits(pattern, data[name], fits) for name, pattern in self.arguments.items())


@dataclass(frozen=True)
class Policy:
    """``allow`` are patterns of operations; ``rules`` come first, and the first one that covers a run decides."""

    allow: tuple[str, ...]
    rules: tuple[Rule, ...] = ()

    @classmethod
    def load(cls, allow: tuple[str, ...], path: Path | None) -> Policy:
        """The policy of an agent. Raises ``InvalidSettings`` that describes the error in the file."""
        if path is None:
            return cls(allow)
        try:
            with path.open("rb") as file:
                if others_may_write(file):
                    raise InvalidSettings(f"Other users may write to the policy {path}: chmod go-w {path}")
                document = json.loads(decoded(file.read(_LARGEST_FILE)))
        except OSError as error:
            raise InvalidSettings(f"JOBQUEUE_POLICY: {path} cannot be read ({reason_of(error)}).") from error
        except ValueError as error:
            raise InvalidSettings(f"JOBQUEUE_POLICY: {path} is not JSON: {error}") from error
        try:
            _only(document, {"rules"}, "the policy")
            return cls(allow, tuple(_rule(raw, f"rule {n}") for n, raw in enumerate(document.get("rules", []), 1)))
        except (ValueError, TypeError) as error:
            raise InvalidSettings(f"JOBQUEUE_POLICY: {path}: {error}") from error

    def decide(self, operation: Operation, data: Mapping[str, Any]) -> tuple[bool, Rule | None]:
        """Whether a run is allowed, and the deciding rule, if any. The parts of an operation are decided one by one."""
        if operation.parts is not None:
            rule = self._forbids_parts(operation)
            return rule is None, rule
        for rule in self.rules:
            if rule.names(operation.type) and rule.covers(data):
                return rule.allows, rule
        return self._is_listed(operation), None

    def may_allow(self, operation: Operation) -> bool:
        """Whether some run of the operation is allowed."""
        if operation.parts is not None:
            return self._forbids_parts(operation) is None
        for rule in self.rules:
            if rule.names(operation.type):
                if rule.allows:
                    return True
                if rule.arguments is None:
                    return False
        return self._is_listed(operation)

    def _forbids_parts(self, operation: Operation) -> Rule | None:
        """The rule that denies an operation with parts by its own name: patterns are for the operations in it."""
        return next((rule for rule in self.rules if not rule.allows and operation.type in rule.operations), None)

    def _is_listed(self, operation: Operation) -> bool:
        return any(
            _is_read_only(operation) if pattern == READ_ONLY else matches(pattern, operation.type)
            for pattern in self.allow
        )


def _is_read_only(operation: Operation) -> bool:
    return not operation.changes and not operation.permission.startswith(_FILES)


def _is_allowed(pattern: str, text: str) -> bool:
    """A pattern with ``*`` does not cover paths out of its folder: ``/srv/*`` is not ``/srv/../etc``. In doubt, no."""
    if len(text) > LONGEST_ARGUMENT or not matches(pattern, text):
        return False
    return "*" not in pattern or ".." in pattern or ".." not in _SEPARATORS.split(text)


def _is_denied(pattern: str, text: str) -> bool:
    """A pattern covers other spellings of a path: ``/etc/*`` is ``//etc/x`` and ``/tmp/../etc/x``. In doubt, yes."""
    if len(text) > LONGEST_ARGUMENT or matches(pattern, text):
        return True
    single = _SLASHES.sub("/", text)
    return "/" in text and (matches(pattern, single) or matches(pattern, posixpath.normpath(single)))


def _fits(pattern: Any, value: Any, fits: Callable[[str, str], bool]) -> bool:
    """``pattern``: a pattern, {"any": [...]}, {"list": [one per item]} or {"each": ...}, {"object": {...}}."""
    if isinstance(pattern, str):
        return not isinstance(value, (list, dict)) and fits(
            pattern, value if isinstance(value, str) else json.dumps(value)
        )
    ((kind, inner),) = pattern.items()
    if kind == "any":
        return any(_fits(pattern, value, fits) for pattern in inner)
    if kind == "object":
        return (
            isinstance(value, dict)
            and value.keys() == inner.keys()
            and all(_fits(inner[name], value[name], fits) for name in inner)
        )
    if not isinstance(value, list):
        return False
    if kind == "each":
        return all(_fits(inner, item, fits) for item in value)
    return len(value) == len(inner) and all(
        _fits(pattern, item, fits) for pattern, item in zip(inner, value, strict=True)
    )


def _rule(raw: Any, path: str) -> Rule:
    _only(raw, _RULE, path)
    operations = raw.get("operations")
    if not isinstance(operations, list) or not operations or not all(isinstance(name, str) for name in operations):
        raise ValueError(f"{path}: operations must be a list of names or patterns, such as command.*")
    if raw.get("effect") not in ("allow", "deny"):
        raise ValueError(f"{path}: effect must be allow or deny")
    rule = Rule(tuple(operations), raw["effect"] == "allow")
    if not rule.allows and (raw.keys() & {"run_as", "limits"}):
        raise ValueError(f"{path}: run_as and limits are only valid in rules with the effect allow")
    if "arguments" in raw:
        _only(raw["arguments"], None, f"{path}: arguments")
        for name, pattern in raw["arguments"].items():
            _check_pattern(pattern, f"{path}: arguments.{name}")
        rule = replace(rule, arguments=raw["arguments"])
    if "run_as" in raw:
        rule = replace(rule, run_as=_user(raw["run_as"], path))
    if "limits" in raw:
        rule = replace(rule, limits=_limits(raw["limits"], f"{path}: limits"))
    return rule


def _check_pattern(pattern: Any, path: str) -> None:
    if isinstance(pattern, str):
        return
    if not isinstance(pattern, dict) or len(pattern) != 1:
        raise ValueError(f'{path} must be a pattern, or one of {{"any": []}}, {{"list": []}}, {{"each": ""}}')
    ((kind, inner),) = pattern.items()
    if kind in ("any", "list") and isinstance(inner, list):
        children = inner
    elif kind == "each":
        children = [inner]
    elif kind == "object" and isinstance(inner, dict):
        children = list(inner.values())
    else:
        raise ValueError(f"{path}: {kind!r} must be one of any, list, each, object, with a value of the right type")
    for child in children:
        _check_pattern(child, f"{path}.{kind}")


def _user(name: Any, path: str) -> str:
    if not isinstance(name, str):
        raise ValueError(f"{path}: run_as must be the name of a user")
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"{path}: unknown user {name!r} on this host") from None
    if uid != os.geteuid() and os.geteuid() != 0:
        raise ValueError(f"{path}: only an agent that runs as root can run operations as {name!r}")
    return name


def _limits(raw: Any, path: str) -> ResourceLimits:
    _only(raw, {field.name for field in fields(ResourceLimits)}, path)
    for name, value in raw.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{path}.{name} must be a whole number from 1")
    return ResourceLimits(**raw)


def _only(raw: Any, allowed: set[str] | None, path: str) -> None:
    if not isinstance(raw, dict):
        raise ValueError(f"{path} must be a JSON object")
    unknown = set() if allowed is None else raw.keys() - allowed
    if unknown:
        raise ValueError(f"{path}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(allowed or ()))}")
