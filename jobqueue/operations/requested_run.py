"""What a request runs: an operation with its data, and the operations within that data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.operations.base import Operation, PinPackages
from jobqueue.operations.parts import Part, with_part_data
from jobqueue.operations.references import FACTS, IN_STEPS, STEP


@dataclass(frozen=True)
class RequestedRun:
    """An operation with valid data. ``parts``: the operations within it, each with its place."""

    operation: Operation
    data: Mapping[str, Any]
    parts: tuple[tuple[Part, Operation], ...] = ()

    @property
    def is_idempotent(self) -> bool:
        """Whether it may be run again where an agent died in the middle."""
        return self.operation.idempotent and all(operation.idempotent for _, operation in self.parts)

    @property
    def inner_types(self) -> tuple[str, ...]:
        """The types of the operations within it, each once."""
        return tuple(sorted({part.type for part, _ in self.parts}))

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions of all of its operations, each once."""
        needed = [*_permissions(self.operation, self.data)]
        for part, operation in self.parts:
            needed += _permissions(operation, part.data)
        return tuple(dict.fromkeys(needed))

    @property
    def code(self) -> dict[str, str]:
        """The fields that are run as code, by dotted path, each with its language."""
        fields = dict(self.operation.code)
        for part, operation in self.parts:
            fields |= {f"{part.path}.data.{name}": language for name, language in operation.code.items()}
        return fields

    def reference_kinds(self, path: str) -> Sequence[str]:
        """The kinds of references that the text at a dotted path may have (``references.py``)."""
        for part, operation in self.parts:
            if path.startswith(f"{part.path}."):
                return IN_STEPS if operation.takes_facts else (STEP,)
        return FACTS if self.operation.takes_facts else ()

    @property
    def needs_preparation(self) -> bool:
        """Whether its data is completed before it is signed."""
        return self.operation.prepare is not None or any(part.prepare is not None for _, part in self.parts)

    def prepared(self, pin: PinPackages) -> dict[str, Any]:
        """The data as it is signed, complete and unambiguous. Raises ``InvalidInput``."""
        data = dict(self.data)
        if any(operation.prepare is not None for _, operation in self.parts):
            every = [part for part, _ in self.parts]
            data = with_part_data(data, every, [_prepared(part, operation, pin) for part, operation in self.parts])
        return data if self.operation.prepare is None else self.operation.prepare(data, pin)


def _permissions(operation: Operation, data: Mapping[str, Any]) -> tuple[str, ...]:
    further = operation.further_permissions(data) if operation.further_permissions is not None else ()
    return operation.permission, *further


def _prepared(part: Part, operation: Operation, pin: PinPackages) -> dict[str, Any]:
    data = dict(part.data)
    if operation.prepare is None:
        return data
    try:
        return operation.prepare(data, pin)
    except InvalidInput as error:
        details = {f"{part.path}.data.{name}": texts for name, texts in (error.details or {}).items()}
        raise type(error)(f"{part.label}: {error.message}", details) from error
