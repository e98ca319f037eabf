"""What a caller asks for: one operation on one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.model.needs import Needs
from jobqueue.model.principal import NOBODY, Principal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.target import ANY

DEFAULT_PRIORITY = 4


@dataclass(frozen=True)
class Submission:
    """One request for a job, parsed but not yet resolved against agents and operations.

    Times are microseconds since the epoch. ``origin`` names the API it came through (``native``, or that of a facade).
    ``alias`` is the caller's own name for the job, unique among those stored. At most one job that has not ended holds
    the name ``exclusive``. ``among`` are the hostnames that may run a job for any agent, all if empty. With ``needs``
    it waits until an agent meets them, and goes to that.
    ``groups`` name lists that the job is put on, by which it is found (``JobFilter.group``): no request sets them, so
    they can be believed where tags cannot.
    ``request`` is kept with the job: what the caller asked for in the words of its own API. ``principal`` is who asks,
    and whose permissions decide; without one nothing is accepted.
    """

    operation: str
    data: Mapping[str, Any] = field(default_factory=dict)
    target: str = ANY
    timeout_seconds: float | None = None
    not_before: int | None = None
    expires_at: int | None = None
    retries: RetryPolicy | None = None
    priority: int = DEFAULT_PRIORITY
    tags: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    origin: str = "native"
    principal: Principal = NOBODY
    alias: str | None = None
    exclusive: str | None = None
    among: tuple[str, ...] = ()
    needs: Needs | None = None
    groups: tuple[str, ...] = ()
    request: Mapping[str, Any] | None = None

    @property
    def submitted_by(self) -> str:
        """Name of who asks."""
        return self.principal.name


@dataclass(frozen=True)
class Accepted:
    """The answer to a submission: the job is in the ledger. ``created`` is in microseconds.

    ``replayed``: an earlier job with the same idempotency key answers; nothing new was stored. ``is_audited``: the
    submission's deed is in the audit trail.
    """

    job_id: str
    created: int
    revision: int = 1
    replayed: bool = False
    status: str = "submitted"
    is_audited: bool = False
