"""Compares declared records with the stored ones, and stores what differs. Everything is compared before anything is
stored. A few requests run at a time, so that neither this process nor the API waits for the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import click

from jobqueue.cli.connection import sentence
from jobqueue.cli.declared.kinds import KINDS, Comparison, Kind
from jobqueue.cli.declared.records import Record, in_order
from jobqueue.client import ApiError, Client, ConnectionFailed

_UNAUTHORIZED, _SERVER = 401, 500
_MANAGER = "managed_by"
#: Requests at a time.
_PARALLEL = 4
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Step:
    """One record that is declared, or with ``record`` None one that is to be deleted."""

    kind: Kind
    name: str
    record: Record | None
    comparison: Comparison

    @property
    def change(self) -> str:
        """created, changed, unchanged or deleted."""
        return self.comparison.change


def compare(
    client: Client, records: Sequence[Record], *, take_over: bool, complain: Callable[[str], None]
) -> list[Step]:
    """The step for each record. Each error of the API goes to ``complain``, with the record's file and line.

    Raises ``ClickException`` if there was any.
    """
    steps: list[Step] = []
    declared = {kind.name: frozenset(record.name for record in records if record.kind is kind) for kind in KINDS}

    def compared(record: Record) -> Comparison | ApiError:
        try:
            return record.kind.compare(client, record.name, record.body, declared)
        except ConnectionFailed:
            raise
        except ApiError as error:
            if error.status == _UNAUTHORIZED or error.status >= _SERVER:
                raise
            return error

    for record, comparison in zip(records, _in_parallel(compared, records), strict=True):
        if isinstance(comparison, ApiError):
            complain(f"{_where(record, comparison)}: {record}: {sentence(comparison)}")
            continue
        if comparison.manager and not take_over:
            location = record.document.location
            complain(f"{location}: {record} is managed by {comparison.manager!r}; --take-over applies it anyway.")
            continue
        steps.append(Step(record.kind, record.name, record, comparison))
    if len(steps) < len(records):
        raise click.ClickException(
            f"{len(records) - len(steps)} of {len(records)} records are refused; nothing was stored."
        )
    return steps


def prunable(client: Client, records: Sequence[Record], manager: str) -> list[Step]:
    """The stored records of this manager that are not declared, in the order in which they can be deleted."""
    declared = {(record.kind.name, record.name) for record in records}
    steps: list[Step] = []
    for kind in reversed(KINDS):
        bodies = {
            name: body
            for name, body in kind.stored(client)
            if body.get(_MANAGER) == manager and (kind.name, name) not in declared
        }
        order = in_order({name: kind.uses(body) for name, body in bodies.items()})
        steps += [Step(kind, name, None, Comparison("deleted", ())) for name in reversed(order)]
    return steps


def apply_steps(client: Client, steps: Sequence[Step]) -> None:
    """Store and delete. Raises the client's errors for the first step that fails; the earlier ones are done, and some
    of the later ones may be.
    """

    def applied(step: Step) -> None:
        if step.record is None:
            step.kind.delete(client, step.name)
        elif step.change != "unchanged":
            step.kind.store(client, step.name, step.record.body, step.comparison)

    for kind, together in groupby(steps, key=lambda step: step.kind):
        for _ in map(applied, together) if kind.has_order else _in_parallel(applied, together):
            pass


def _in_parallel(do: Callable[[_Item], _Answer], items: Iterable[_Item]) -> Iterator[_Answer]:
    """The answers in the order of the items. Where one raises, those not yet begun are cancelled."""
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="apply") as pool:
        yield from pool.map(do, items)


def _where(record: Record, error: ApiError) -> str:
    """FILE:LINE of the field that the error names, or of the record."""
    fields = [re.split(r"[.\[]", str(path), maxsplit=1)[0] for path in error.details or {}]
    return record.document.where(fields[0]) if fields else record.document.location
