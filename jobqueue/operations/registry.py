"""The catalogue of operations: the built-in families, and those of installed plugins."""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from types import ModuleType
from typing import Any

from jobqueue.errors import InvalidInput, InvalidOperationData, InvalidSettings, UnknownOperation
from jobqueue.extras import lack
from jobqueue.model.fleet_plan import FIELD
from jobqueue.operations import builtin
from jobqueue.operations.base import BUILTIN, Operation, invalid_data
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.info import OperationInfo
from jobqueue.operations.parts import DATA, TYPE, Part, outline
from jobqueue.operations.references import FACTS, IN_STEPS, STEP, has_reference
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.operations.schema import MAX_PROBLEMS
from jobqueue.operations.step_values import check_references
from jobqueue.operations.text import brief, describe
from jobqueue.settings import Settings
from jobqueue.trust.secrets.reference import faults, has_secret

GROUP = "jobqueue.operations"
_MAX_SHOWN_TYPE = 100

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Absent:
    """An operation that cannot run here: ``why``, as a sentence, and the permission that it still needs."""

    why: str
    permission: str


class Registry:
    """Operations by type. ``problems`` lists the plugins that could not be loaded, with the reasons.

    ``absent``: by type the operations that are known but lack an extra of jobqueue, or another program, here.
    """

    def __init__(
        self,
        operations: Iterable[Operation] = (),
        problems: Iterable[str] = (),
        absent: Mapping[str, Absent] | None = None,
    ) -> None:
        self._operations: dict[str, Operation] = {}
        self._infos: list[OperationInfo] | None = None
        self.problems = tuple(problems)
        self.absent = dict(absent or {})
        for operation in operations:
            self._add(operation)

    @classmethod
    def load(cls, plugins: Iterable[EntryPoint] | None = None) -> Registry:
        """The built-in operations and those of ``plugins`` (default: all that are installed).

        Entry points of jobqueue itself are loaded in either case.

        A plugin that cannot be loaded is logged and listed in ``problems``. Raises ``InvalidSettings`` when two
        operations have the same type: which one runs must not be left to chance.
        """
        operations = [operation for family in _families() for operation in _operations_of(family)]
        identities = {id(operation) for operation in operations}
        own, problems = _own_plugins()
        others = entry_points(group=GROUP) if plugins is None else plugins
        for plugin in (*own, *(plugin for plugin in others if plugin not in own)):
            try:
                loaded = _operations_of(plugin.load())
                if not loaded:
                    raise ValueError("it contains no operation")
            except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may do anything at import)
                problems.append(f"Plugin {_origin(plugin)} could not be loaded: {describe(error)}")
                _log.warning("%s", problems[-1], exc_info=True)
                continue
            # the same object may be reached twice: imported by a module, or named by two entry points
            fresh = [operation for operation in loaded if id(operation) not in identities]
            identities.update(id(operation) for operation in fresh)
            operations.extend(replace(operation, plugin=_origin(plugin)) for operation in fresh)
        absent = {
            operation.type: Absent(why, operation.permission)
            for operation in operations
            if operation.extra and (why := lack(f"Operation {operation.type}", operation.extra))
        }
        return cls((operation for operation in operations if operation.type not in absent), problems, absent)

    def on_host(self, settings: Settings) -> Registry:
        """The operations that an agent with these settings can run; the others are ``absent``."""
        absent = {
            operation.type: Absent(why, operation.permission)
            for operation in self
            if operation.lacks and (why := operation.lacks(settings))
        }
        present = (operation for operation in self if operation.type not in absent)
        return Registry(present, self.problems, self.absent | absent)

    def get(self, type: str, *, compares: bool = True) -> Operation:
        """The operation; raises ``UnknownOperation``, whose message names similar types (which takes time)."""
        try:
            return self._operations[type]
        except KeyError:
            sentence = self.absent[type].why if type in self.absent else self._unknown(type, compares)
            raise UnknownOperation(sentence, {"operation.type": [sentence]}) from None

    def sends_files(self, type: str) -> bool:
        """Whether the results of an operation list files that it has sent."""
        operation = self._operations.get(type)
        return operation is not None and operation.sends_files

    def permission(self, type: str) -> str | None:
        """The permission to run it, also if it is absent; None for an unknown type."""
        operation = self._operations.get(type) or self.absent.get(type)
        return operation.permission if operation else None

    def permissions_of(self, type: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        """The permissions of an operation with this data and of those within it; of unknown ones, none.

        Unlike ``requested``, it takes data that no agent may be able to run now.
        """
        operation = self._operations.get(type)
        if operation is None:
            permission = self.permission(type)
            return () if permission is None else (permission,)
        needed = [*RequestedRun(operation, data).permissions]
        for part in operation.parts(data) if operation.parts is not None else ():
            needed += self.permissions_of(part.type, part.data)
        return tuple(dict.fromkeys(needed))

    def requested(self, type: str, data: Mapping[str, Any]) -> RequestedRun:
        """The operation with this data, and the operations within it. Raises ``UnknownOperation``."""
        operation = self.get(type)
        parts = operation.parts(data) if operation.parts is not None else ()
        return RequestedRun(operation, data, tuple((part, self.get(part.type)) for part in parts))

    def validate(
        self, type: str, data: Mapping[str, Any] | None, *, explains: bool = True, kinds: Sequence[str] = FACTS
    ) -> dict[str, Any]:
        """Check ``data`` (None: no data) and give it back, as JSON and unaltered, ready to be stored.

        A field that has a reference (of one of the ``kinds``) or names a secret is checked on the agent, where its
        value is known. Defaults are filled in there as well. Raises ``UnknownOperation`` and ``InvalidOperationData``,
        which names the problems only if it ``explains`` (finding all of them takes much longer than finding that there
        is one).
        """
        operation = self.get(type)
        data = {} if data is None else data
        if not isinstance(data, Mapping):
            raise invalid_data(type, {"": ["Must be an object."]})
        plain = dict(data)
        if plain:
            _check_json(type, plain)
        if operation.parts is not None:
            self._validate_parts(operation, plain, operation.parts(plain), explains=explains)
            return plain
        secret: Set[str] = frozenset()
        if has_secret(plain):
            wrong = faults(plain, None if explains else 1)
            if wrong:
                raise invalid_data(type, wrong)
            secret = {name for name in operation.field_names & plain.keys() if has_secret(plain[name])}
        accepted = operation.accepts(plain, secret)
        if accepted:
            return plain
        if accepted is False and not explains and not operation.accepts(plain, _deferred(operation, plain, kinds)):
            raise InvalidOperationData(f"The data does not fit {type}.")
        try:
            operation.load(plain)
        except InvalidOperationData as error:
            _raise_unless_deferred(error, operation, plain, kinds)
        return plain

    def check_outline(self, type: str, data: Mapping[str, Any]) -> None:
        """Check what surrounds the parts of the data, which no template may decide: their number and types, above all.

        Raises ``UnknownOperation`` and ``InvalidOperationData``; any data of an operation without parts passes.
        """
        operation = self.get(type)
        if operation.parts is not None:
            parts = operation.parts(data)
            operation.load(outline(data, parts))
            problems: dict[str, list[str]] = {}
            for part in parts:
                try:
                    _check_references(self.get(part.type), part)
                except InvalidOperationData as error:
                    problems |= _within(part, error)
            if problems:
                raise invalid_data(operation.type, problems)

    def _validate_parts(
        self, operation: Operation, data: Mapping[str, Any], parts: tuple[Part, ...], *, explains: bool
    ) -> None:
        """Check the data around the parts, then each part as if it came alone; errors name the parts."""
        if not operation.accepts(outline(data, parts)):
            operation.load(outline(data, parts))
        problems: dict[str, list[str]] = {}
        for part in parts:
            try:
                self._check_part(operation, part, is_planned=FIELD in data, explains=explains)
            except InvalidInput as error:
                problems |= _within(part, error)
            if problems and not explains:
                raise InvalidOperationData(f"The data does not fit {operation.type}.")
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise invalid_data(operation.type, problems)

    def _check_part(self, whole: Operation, part: Part, *, is_planned: bool, explains: bool) -> None:
        """Raise ``InvalidInput`` whose details begin with ``type`` or ``data``."""
        try:
            operation = self.get(part.type, compares=explains)
        except UnknownOperation as error:
            raise UnknownOperation(error.message, {TYPE: [error.message]}) from error
        if operation.parts is not None:
            raise InvalidInput.of(TYPE, f"{part.type} cannot be a part of {whole.type}: it has parts of its own.")
        if operation.sends_files:
            sentence = f"{part.type} sends files, which {whole.type} cannot; submit it as a job of its own."
            raise InvalidInput.of(TYPE, sentence)
        if FIELD in part.data:
            raise InvalidInput.of(f"{DATA}.{FIELD}", "A plan is one of the whole job, not of a part.")
        if is_planned and not issubclass(operation.schema, ChangeSchema):
            sentence = f"{part.type} has no check mode, so no plan holds what it changes; run the job without a plan."
            raise InvalidInput.of(TYPE, sentence)
        uses_values = _check_references(operation, part)
        if is_planned and uses_values:
            sentence = f"{part.label} uses values of earlier steps, so no plan holds what it changes; run it without."
            raise InvalidInput.of(DATA, sentence)
        try:
            self.validate(part.type, part.data, explains=explains, kinds=IN_STEPS if uses_values else FACTS)
        except InvalidOperationData as error:
            inner = error.details or {"": [error.message]}
            details = {f"{DATA}.{name}".rstrip("."): texts for name, texts in inner.items()}
            raise InvalidOperationData(error.message, details) from error

    def infos(self) -> list[OperationInfo]:
        """The catalogue, sorted by type."""
        if self._infos is None:  # building the JSON Schemas takes a few milliseconds
            self._infos = [self._operations[type].info() for type in sorted(self._operations)]
        return list(self._infos)

    def types(self) -> tuple[str, ...]:
        """All types, sorted."""
        return tuple(sorted(self._operations))

    def __contains__(self, type: object) -> bool:
        return type in self._operations

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations.values())

    def __len__(self) -> int:
        return len(self._operations)

    def _add(self, operation: Operation) -> None:
        other = self._operations.setdefault(operation.type, operation)
        if other is not operation:
            raise InvalidSettings(
                f"Operation {operation.type} is defined twice: by {_location(other)} and by {_location(operation)}."
            )

    def _unknown(self, type: str, compares: bool) -> str:
        shown = brief(str(type), _MAX_SHOWN_TYPE)
        near = difflib.get_close_matches(shown, self._operations, n=3, cutoff=0.6) if compares else []
        hint = f"Did you mean {' or '.join(near)}?" if near else "`jobqueue operation list` shows all."
        return f"Unknown operation {shown!r}. {hint}"


def _families() -> Iterator[ModuleType]:
    """The modules of ``builtin/``, by name."""
    for module in pkgutil.iter_modules(builtin.__path__, f"{builtin.__name__}."):
        yield importlib.import_module(module.name)


def _own_plugins() -> tuple[tuple[EntryPoint, ...], list[str]]:
    """The entry points of jobqueue itself, and their problems."""
    try:
        return tuple(distribution(BUILTIN).entry_points.select(group=GROUP)), []
    except PackageNotFoundError:
        problem = "jobqueue is not installed, so its own plugins cannot be found: pip install -e . (in a clone)."
        _log.warning("%s", problem)
        return (), [problem]


def _operations_of(exported: Any) -> list[Operation]:
    """Every operation of a module, an iterable, or the one operation itself."""
    if isinstance(exported, Operation):
        return [exported]
    values = vars(exported).values() if isinstance(exported, ModuleType) else exported
    unique = {id(item): item for item in values if isinstance(item, Operation)}
    return list(unique.values())


def _origin(plugin: EntryPoint) -> str:
    if plugin.dist and plugin.dist.name == BUILTIN:
        return BUILTIN
    return f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else f"{plugin.name} ({plugin.value})"


def _location(operation: Operation) -> str:
    where = f"{getattr(operation.run, '__module__', '?')}.{getattr(operation.run, '__qualname__', '?')}"
    return f"{where} of {operation.plugin}" if operation.plugin != BUILTIN else where


def _check_json(type: str, data: dict[str, Any]) -> None:
    try:
        _ENCODER.encode(data).encode()
    except UnicodeEncodeError:
        raise invalid_data(type, {"": ["Must not contain a lone surrogate."]}) from None
    except RecursionError:
        raise invalid_data(type, {"": ["Is nested too deeply."]}) from None
    except (TypeError, ValueError) as error:
        raise invalid_data(type, {"": [f"Must be JSON: {brief(str(error), 200)}."]}) from None


def _within(part: Part, error: InvalidInput) -> dict[str, list[str]]:
    """The details of an error of a part, by their paths in the whole data."""
    inner = error.details or {"": [error.message]}
    return {f"{part.path}.{name}".rstrip("."): texts for name, texts in inner.items()}


def _check_references(operation: Operation, part: Part) -> bool:
    """Whether the part uses values of earlier ones. Raises ``InvalidInput``, its details within the part."""
    if not has_reference(part.data, (STEP,)):
        return False
    try:
        return check_references(operation, part.data, part.earlier)
    except InvalidInput as error:
        details = {f"{DATA}.{name}".rstrip("."): texts for name, texts in (error.details or {}).items()}
        raise InvalidOperationData(error.message, details) from error


def _deferred(operation: Operation, data: Mapping[str, Any], kinds: Sequence[str]) -> set[str]:
    """The fields that refer to a fact, a value of another step or a secret."""
    fields = operation.field_names & data.keys()
    return {name for name in fields if has_reference(data[name], kinds) or has_secret(data[name])}


def _raise_unless_deferred(
    error: InvalidOperationData, operation: Operation, data: Mapping[str, Any], kinds: Sequence[str]
) -> None:
    """Raise ``error`` without the problems that facts and secrets may fix on the agent, if any remain."""
    deferred = _deferred(operation, data, kinds)
    if not deferred:
        raise error
    left = {
        field: messages
        for field, messages in (error.details or {}).items()
        if field and field.partition(".")[0] not in deferred
    }
    if left:
        raise invalid_data(operation.type, left)
