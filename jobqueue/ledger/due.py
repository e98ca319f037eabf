"""Executions whose messages have to be sent because the broker is not the ledger's Redis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Due:
    """One such execution."""

    job_id: str
    slot: str
    priority: int
    attempt: int


def due_of(flat: list[str]) -> list[Due]:
    """The executions in a script's answer: job:slot, priority, attempt, and so on."""
    return [
        Due(member[:36], member[37:], int(priority), int(attempt))
        for member, priority, attempt in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    ]
