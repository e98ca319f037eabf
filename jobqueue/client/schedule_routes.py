"""Routes of schedules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobqueue.client.routes import Routes, pages_of, path_of, time_text


class ScheduleRoutes(Routes):
    """Stores schedules, and runs their jobs."""

    def schedules(self, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
        """One page of schedules by name, with their last results: ``{"schedules": [...], "total", "next_cursor"}``."""
        query = {"limit": limit, **({} if cursor is None else {"cursor": cursor})}
        return self._object("GET", "/schedule", query=query)

    def iter_schedules(self, *, limit: int = 100) -> Iterator[dict[str, Any]]:
        """Every schedule, by name; ``limit`` is per request."""
        for page in pages_of(self.schedules, limit=limit):
            yield from page["schedules"]

    def schedule(self, name: str) -> dict[str, Any]:
        """A schedule, with its last ``results`` (newest first) and its ``next_times``."""
        return self._object("GET", path_of("/schedule", name))

    def create_schedule(self, name: str, job: Mapping[str, Any], **terms: Any) -> dict[str, Any]:
        """Store a new schedule, whose owner is the caller. Raises ``Conflict`` if there is one with this name.

        ``job`` is a body of ``POST /job``: ``{"operation": {"type", "data"}, "target_hostname", ...}``; or a saved job,
        whose newest version runs at each time: ``{"saved": "deploy", "parameters": {"version": "1.4"}}``, with
        ``target_hostname`` if it allows another target. ``terms``: one of ``cron="0 3 * * 1-5"``, ``every="15m"``,
        ``at=...``, ``rrule="FREQ=MONTHLY;BYDAY=-1FR"``, or ``after={"saved": "deploy", "status": ["completed"]}``,
        which fires when a job of that saved job has ended so; and ``time_zone``, ``starts``, ``ends``, ``jitter``,
        ``blackouts``, ``overlap``, ``catch_up``, ``expires_after``, ``description``, ``paused``
        (``docs/schedules.md``).
        """
        return self._object("POST", "/schedule", body={"name": name, "job": dict(job), **_terms(terms)})

    def set_schedule(self, name: str, job: Mapping[str, Any], **terms: Any) -> dict[str, Any]:
        """Store a schedule in place of the one with this name, or as a new one. Arguments as ``create_schedule``."""
        body = {"job": dict(job), **_terms(terms)}
        return self._object("PUT", path_of("/schedule", name), body=body, repeatable=True)

    def put_schedule(
        self, name: str, body: Mapping[str, Any], *, dry_run: bool = False, assume: bool = False
    ) -> dict[str, Any]:
        """``set_schedule`` with the whole body of ``PUT /schedule/{name}``.

        ``dry_run`` stores nothing, and adds ``change`` (created, changed or unchanged) and ``changes`` to the answer;
        with ``assume`` it takes for stored the saved job and the targets that the schedule's job names.
        """
        query = {"dry_run": "true", **({"assume": "true"} if assume else {})} if dry_run else {}
        return self._object("PUT", path_of("/schedule", name), body=body, query=query, repeatable=True)

    def preview_schedule(self, **timing: Any) -> dict[str, Any]:
        """The next ten times: ``{"time_zone", "times": [{"time", "local"}]}``. Arguments as ``create_schedule``."""
        return self._object("POST", "/schedule/preview", body=_terms(timing), repeatable=True)

    def pause_schedule(self, name: str, reason: str = "") -> dict[str, Any]:
        """Pause a schedule: its times pass without jobs."""
        return self._object("POST", path_of("/schedule", name, "pause"), body={"reason": reason}, repeatable=True)

    def resume_schedule(self, name: str) -> dict[str, Any]:
        """End a pause."""
        return self._object("POST", path_of("/schedule", name, "resume"), repeatable=True)

    def trigger_schedule(self, name: str) -> dict[str, Any]:
        """Submit a schedule's job now, for the caller: ``{"job_id", ...}``.

        Not retried after a broken connection, since a repeated request would create a second job.
        """
        return self._object("POST", path_of("/schedule", name, "trigger"))

    def backfill_schedule(self, name: str, begin: str, end: str, *, dry_run: bool = False) -> Iterator[dict[str, Any]]:
        """Submit the jobs of a schedule's past times from ``begin`` to ``end`` (ISO 8601) that have none.

        The jobs are submitted for the caller. Yields each time as ``{"time", "outcome", "job_id", "reason"}``, and asks
        for 50 at a time while it is iterated over; with ``dry_run``, the times only. It may be repeated: each time has
        at most one job.
        """
        following: str | None = begin
        while following is not None:
            body = {"from": following, "to": end, "dry_run": dry_run}
            answer = self._object("POST", path_of("/schedule", name, "backfill"), body=body, repeatable=True)
            yield from answer["times"]
            following = answer["next_from"]

    def delete_schedule(self, name: str) -> None:
        """Delete a schedule; its jobs remain."""
        self._http.request("DELETE", path_of("/schedule", name))


def _terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The terms of a schedule as JSON, without those that are None."""
    terms_given = {name: value for name, value in terms.items() if value is not None}
    times: dict[str, Any] = {
        name: time_text(terms_given[name]) for name in ("at", "anchor", "starts", "ends") if name in terms_given
    }
    return {**terms_given, **times}
