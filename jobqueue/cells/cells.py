"""All cells, asked at the same time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobqueue.cells.cell import Call, Cell
from jobqueue.cells.config import CellAddress
from jobqueue.errors import CellUnavailable, JobQueueError, NotFound

T = TypeVar("T")


@dataclass(frozen=True)
class Answers(Generic[T]):
    """The outcomes of a request to cells, by their names: ``answered``, the answers; ``refused``, the errors of cells
    that refused the request; and ``missing``, those of cells that did not answer.
    """

    answered: Mapping[str, T]
    refused: Mapping[str, JobQueueError]
    missing: Mapping[str, CellUnavailable]

    @property
    def errors(self) -> Mapping[str, JobQueueError]:
        """Why cells gave no answer: those that refused the request, and those that did not answer."""
        return {**self.refused, **self.missing}

    def holders(self, sentence: str) -> Mapping[str, T]:
        """``answered``, of a request for something that a cell may not have.

        Raises what a cell refused for another reason; ``CellUnavailable``, which begins with ``sentence``, if no cell
        has it and not all answer.
        """
        if self.answered:
            return self.answered
        for error in self.refused.values():
            if not isinstance(error, NotFound):
                raise error
        if self.missing:
            raise self.not_all(sentence)
        return {}

    def not_all(self, sentence: str) -> CellUnavailable:
        """The error of a request that only a cell that did not answer might have fulfilled."""
        reasons = " ".join(error.message for error in self.missing.values())
        return CellUnavailable(f"{sentence}, and not all answer. {reasons}", {"cells": list(self.missing)})

    def of_some(self) -> Answers[T]:
        """With the cells that refused the request as ones that did not answer: one cell must not fail a list of all.

        Raises the refusal if no cell gave an answer.
        """
        if not self.answered:
            for error in self.refused.values():
                raise error
        refused = {name: CellUnavailable(error.message, {"cell": name}) for name, error in self.refused.items()}
        return Answers(self.answered, {}, {**refused, **self.missing})


class Cells:
    """The cells of a front. Threads may share them."""

    def __init__(self, addresses: Iterable[CellAddress], make: Callable[[CellAddress], Cell] = Cell) -> None:
        self.by_name: Mapping[str, Cell] = {address.name: make(address) for address in addresses}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all cells, in alphabetical order."""
        return tuple(sorted(self.by_name))

    def ask(self, call: Callable[[Cell], T], names: Iterable[str] | None = None) -> Answers[T]:
        """The answers to ``call`` of all cells, or of those that ``names`` names, which are asked at the same time.

        A cell that takes longer than its time limit counts as one that does not answer. Raises what ``call`` raises
        besides the errors of ``jobqueue.errors``.
        """
        cells = [self.by_name[name] for name in (self.names if names is None else names)]
        outcomes: queue.SimpleQueue[tuple[str, T | Exception]] = queue.SimpleQueue()

        calls = {cell.name: Call() for cell in cells}

        def run(cell: Cell) -> None:
            calls[cell.name].begin()
            try:
                outcomes.put((cell.name, call(cell)))
            except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
                outcomes.put((cell.name, error))

        for cell in cells:
            threading.Thread(target=run, args=(cell,), name=f"cell {cell.name}", daemon=True).start()
        return _sorted(_collected(outcomes, cells, calls))

    def close(self) -> None:
        """Close the idle connections."""
        for cell in self.by_name.values():
            cell.close()


def _collected(
    outcomes: queue.SimpleQueue[tuple[str, T | Exception]], cells: list[Cell], calls: Mapping[str, Call]
) -> dict[str, T | Exception]:
    end = time.monotonic() + max((cell.seconds for cell in cells), default=0.0)
    collected: dict[str, T | Exception] = {}
    while len(collected) < len(cells):
        try:
            name, outcome = outcomes.get(timeout=max(0.001, end - time.monotonic()))
        except queue.Empty:
            break
        collected[name] = outcome
    for cell in cells:
        if cell.name not in collected:
            collected[cell.name] = cell.give_up(calls[cell.name])
    return collected


def _sorted(outcomes: Mapping[str, T | Exception]) -> Answers[T]:
    answers: dict[str, T] = {}
    refused: dict[str, JobQueueError] = {}
    missing: dict[str, CellUnavailable] = {}
    for name in sorted(outcomes):
        outcome = outcomes[name]
        if isinstance(outcome, CellUnavailable):
            missing[name] = outcome
        elif isinstance(outcome, JobQueueError):
            refused[name] = outcome
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            answers[name] = outcome
    return Answers(answers, refused, missing)
