"""What the clients remember of their requests: the other side of the story, to hold the ledger against."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.plan import Request


@dataclass
class Promise:
    """One request and what the API said about it.

    ``outcome``: "accepted" (2xx), "refused" (4xx), or "unknown" (no answer, and none was asked for again because the
    request had no idempotency key). ``deleted``: the API confirmed, or may have done, a DELETE. ``replayed``: the job
    was there already, because the answer to an earlier try was lost. ``tries``: how often it was sent until it was
    answered; ``asked``: when the last of them was sent, in microseconds.
    """

    request: Request
    outcome: str = "unknown"
    job_id: str = ""
    deleted: bool = False
    maybe_deleted: bool = False
    cancelled: bool = False
    replayed: bool = False
    tries: int = 1
    asked: int = 0
