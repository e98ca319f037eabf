"""Schedules: jobs that are submitted at set times. Times and durations are in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

#: Times that a preview shows.
PREVIEWED = 10


class Overlap(str, Enum):
    """What happens at a time at which the schedule's last job has not ended."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    ALLOW = "allow"

    def __str__(self) -> str:
        return self.value


class Outcome(str, Enum):
    """The outcome of one time of a schedule."""

    FIRED = "fired"
    TRIGGERED = "triggered"
    BACKFILLED = "backfilled"
    MISSED = "missed"
    SKIPPED = "skipped"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    REFUSED = "refused"
    FOLLOWED = "followed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Timing:
    """When a schedule fires: exactly one of ``cron``, ``every``, ``at`` and ``rrule``, within ``starts`` and ``ends``.

    ``anchor`` is where ``every`` and ``rrule`` count from. ``jitter`` delays each time by up to so much.
    """

    cron: str | None = None
    every: int | None = None
    at: int | None = None
    rrule: str | None = None
    time_zone: str = "UTC"
    anchor: int | None = None
    starts: int | None = None
    ends: int | None = None
    jitter: int = 0


@dataclass(frozen=True)
class Blackout:
    """Windows in which nothing is fired: from each time of ``cron`` for ``duration``."""

    cron: str
    duration: int


@dataclass(frozen=True)
class Owner:
    """The principal whose permissions a schedule's jobs have, as it is when they are submitted. ``kind`` is that of its
    credentials, ``id`` the name of their record.
    """

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class Pause:
    """Why a schedule is paused, since when, and who paused it."""

    reason: str
    by: str
    at: int


@dataclass(frozen=True)
class After:
    """The jobs that a schedule follows: it fires when one of them has ended with one of the statuses.

    ``kind`` and ``name`` are what a caller names, such as the saved job ``deploy``; ``group`` is the list of its jobs
    (``JobFields.groups``), which no request can put a job on. ``makes``: the lists of the schedule's own jobs.
    """

    kind: str
    name: str
    group: str
    status: tuple[str, ...]
    makes: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> After:
        """From JSON."""
        return cls(**{**document, "status": tuple(document["status"]), "makes": tuple(document["makes"])})


@dataclass(frozen=True)
class Schedule:
    """A schedule as stored. ``uid`` distinguishes it from others that had the same name, ``serial`` changes with each
    change. ``content`` is the request for its jobs as a caller of the API would send it.

    ``catch_up``: how far back missed times are made up for; None: not even the newest. ``expires_after``: how long its
    jobs wait for hosts that are offline; None: they do not. ``managed_by`` is the set of files that it was applied
    from. A schedule with ``after`` follows other jobs, and has no times.
    """

    name: str
    uid: str
    serial: str
    timing: Timing
    content: Mapping[str, Any]
    owner: Owner
    description: str = ""
    overlap: Overlap = Overlap.SKIP
    catch_up: int | None = 0
    expires_after: int | None = None
    blackouts: tuple[Blackout, ...] = ()
    pause: Pause | None = None
    created: int = 0
    changed: int = 0
    changed_by: str = ""
    managed_by: str = ""
    after: After | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        document = asdict(self)
        if self.after is None:
            del document["after"]
        return document

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Schedule:
        """The inverse of ``document``."""
        pause, after = document["pause"], document.get("after")
        return cls(
            **{
                **document,
                "timing": Timing(**document["timing"]),
                "owner": Owner(**document["owner"]),
                "overlap": Overlap(document["overlap"]),
                "blackouts": tuple(Blackout(**blackout) for blackout in document["blackouts"]),
                "pause": pause and Pause(**pause),
                "after": after and After.of(after),
            }
        )


@dataclass(frozen=True)
class Result:
    """The result of one time, or of ``count`` times from ``begin`` to ``end`` with the same outcome. ``at`` is when
    that was decided. ``reason`` explains why no job was made.
    """

    begin: int
    end: int
    at: int
    outcome: Outcome
    count: int = 1
    job_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Progress:
    """The progress of a schedule. ``next``: the next time, None if there is none; ``due``: when it fires, after its
    jitter. ``job_id`` and ``job_status`` are of its last job; the status is empty if the job was removed.

    ``waits``: the newest time that waited for the last job to end; ``seen``: until when the schedule was attended then.
    """

    next: int | None = None
    due: int | None = None
    job_id: str = ""
    job_status: str = ""
    waits: int | None = None
    seen: int = 0


@dataclass(frozen=True)
class ScheduleView:
    """A schedule, where it is, and its newest results, oldest first."""

    schedule: Schedule
    progress: Progress
    results: tuple[Result, ...] = field(default=())
