"""Rundeck's job definitions as saved jobs and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.cli.imports.imported import Imported, ImportedFile, Names, NotTakenOver
from jobqueue.cli.imports.rundeck_nodes import nodes_of
from jobqueue.cli.imports.rundeck_options import Options, options_of
from jobqueue.cli.imports.rundeck_schedule import cron_of
from jobqueue.cli.imports.rundeck_sequence import sequence_of
from jobqueue.cli.imports.rundeck_source import read_jobs, walk
from jobqueue.cli.imports.rundeck_values import as_flag, as_line, as_number, as_seconds, check_fields
from jobqueue.cli.views.text import one_line
from jobqueue.model.concurrency import MAX_LIMIT
from jobqueue.model.job_fields import MAX_DESCRIPTION, MAX_TITLE

#: Fields that only concern Rundeck's pages and logs, or its own records.
_IGNORED = {"defaultTab", "nodesSelectedByDefault", "loglevel", "project", "id", "uuid", "group", "description"}
_FIELDS = {
    *("name", "sequence", "options", "nodefilters", "schedule", "schedules", "scheduleEnabled", "executionEnabled"),
    *("timeZone", "timeout", "retry", "notification", "multipleExecutions", "maxMultipleExecutions", "plugins"),
    *("nodeFilterEditable", "orchestrator", "loglimit", "loglimitAction", "loglimitStatus"),
    "notifyAvgDurationThreshold",
    *_IGNORED,
}
_VARIABLE = "${"


@dataclass(frozen=True)
class RundeckOptions:
    """``target`` is that of jobs without a node filter, ``tag_label`` the label that holds Rundeck's tags; without
    them, jobs that need them are left out. ``time_zone`` is that of Rundeck's server.
    """

    prefix: str = ""
    target: str | None = None
    tag_label: str | None = None
    time_zone: str = "UTC"


def import_rundeck(data: bytes, file: str, options: RundeckOptions) -> Imported:
    """Read job definitions in XML, YAML or JSON. Raises ``ClickException`` for a file that has none."""
    imported, names = Imported(), Names()
    for name, job in walk(read_jobs(data, file)):
        where = f"{one_line(file)}: {one_line(name)}"
        try:
            if job is None:
                raise NotTakenOver("it is not an object with a name.")
            converted = _Job(job, options)
            records = converted.records(names)
        except NotTakenOver as reason:
            imported.leave_out(where, str(reason))
            continue
        imported.note(where, converted.notes)
        uuid = job.get("uuid") or job.get("id")
        origin = f"{where}{f' ({one_line(uuid)})' if uuid else ''}"
        imported.files.append(ImportedFile(str(records[0]["name"]), records, origin))
    return imported


class _Job:
    """One job, whose parts are converted one after the other; ``notes`` are what differs."""

    def __init__(self, job: Mapping[str, Any], options: RundeckOptions) -> None:
        self._job = job
        self._terms = options
        self.notes: list[str] = []

    def records(self, names: Names) -> tuple[Mapping[str, Any], ...]:
        """Its saved job, and its schedule if it has one. Raises ``NotTakenOver``."""
        job = self._job
        check_fields(job, _FIELDS, "it")
        self._check()
        options = options_of(job.get("options"))
        converted = sequence_of(job.get("sequence"), options)
        nodes = nodes_of(job.get("nodefilters"), self._terms.tag_label, self._terms.target)
        self.notes += [*options.notes, *converted.notes, *nodes.notes]
        saved: dict[str, Any] = {"title": as_line(job["name"], MAX_TITLE)}
        description = as_line(job.get("description"), MAX_DESCRIPTION)
        if description:
            saved["description"] = description
        saved |= {"operation": converted.operation, "target_hostname": nodes.target}
        if nodes.rollout:
            saved["rollout"] = nodes.rollout
        if as_flag(job.get("nodeFilterEditable"), "nodeFilterEditable"):
            saved["target_override"] = True
        saved |= self._limits()
        if options.parameters:
            saved["parameters"] = options.parameters
        schedule = self._schedule(options)
        name = names.unique(self._terms.prefix, str(job.get("group") or ""), job["name"])
        saved = {"kind": "saved-job", "name": name, **saved}
        parallel = as_flag(job.get("multipleExecutions"), "multipleExecutions")
        if not parallel or job.get("maxMultipleExecutions"):
            limit = as_number(job["maxMultipleExecutions"], "maxMultipleExecutions", 1) if parallel else 1
            if limit > MAX_LIMIT:
                raise NotTakenOver(f"maxMultipleExecutions is {limit}; a concurrency key allows at most {MAX_LIMIT}.")
            saved["concurrency"] = {"key": f"saved-{name}", "limit": limit, "policy": "refuse"}
        if schedule is None:
            return (saved,)
        overlap = "allow" if parallel else "skip"
        return saved, {
            "kind": "schedule",
            "name": name,
            **schedule,
            "job": {"saved": name},
            "overlap": overlap,
            "catch_up": "never",
        }

    def _check(self) -> None:
        """Raise ``NotTakenOver`` for what concerns the whole job, and note what is lost."""
        job = self._job
        if not as_flag(job.get("executionEnabled", True), "executionEnabled"):
            raise NotTakenOver("it is disabled (executionEnabled).")
        if job.get("orchestrator"):
            raise NotTakenOver("it has an orchestrator, which chooses the nodes.")
        if job.get("schedules"):
            raise NotTakenOver("it uses schedules that are defined elsewhere (schedules).")
        plugins = job.get("plugins") or {}
        active = (
            [one_line(kind) for kind, one in dict(plugins).items() if one] if isinstance(plugins, Mapping) else ["?"]
        )
        if active:
            raise NotTakenOver(f"it has plugins ({', '.join(active)}).")
        if job.get("loglimit"):
            self.notes.append("its limit of the log is left out; the output of each host is limited by the agents.")
        notification = job.get("notification") or {}
        if not isinstance(notification, Mapping):
            raise NotTakenOver("its notification is not an object.")
        self.notes += [f"its notification {one_line(event)} is left out." for event in notification]

    def _limits(self) -> dict[str, Any]:
        """Its timeout and its retries."""
        job = self._job
        limits: dict[str, Any] = {}
        for name in ("timeout", "retry"):
            if _VARIABLE in str(job.get(name) or ""):
                raise NotTakenOver(f"its {name} has a variable: {one_line(job[name])}.")
        if job.get("timeout") not in (None, "", "0", 0):
            limits["timeout_seconds"] = as_seconds(job["timeout"], "timeout")
            self.notes.append("timeout: it counts for each host, from the start of its run.")
        retry: Any = job.get("retry")
        delay: Any = None
        if isinstance(retry, Mapping):
            check_fields(retry, ("retry", "delay"), "its retry")
            retry, delay = retry.get("retry"), retry.get("delay")
        number = 0 if retry in (None, "") else as_number(retry, "retry", 0)
        if number:
            wait = 0 if delay in (None, "") else as_seconds(delay, "the delay of its retry")
            limits["retries"] = {
                "max_attempts": number + 1,
                "backoff_seconds": wait,
                "backoff_max_seconds": wait,
                "jitter": 0,
            }
            self.notes.append("retry: each host that failed is tried again, not the whole job.")
        return limits

    def _schedule(self, options: Options) -> dict[str, Any] | None:
        job = self._job
        if not job.get("schedule"):
            return None
        schedule = {"cron": cron_of(job["schedule"]), "time_zone": str(job.get("timeZone") or self._terms.time_zone)}
        missing = options.without_value()
        if missing is not None:
            raise NotTakenOver(
                f"it has a schedule, but the option {one_line(missing)} has no value that every run could have."
            )
        if not as_flag(job.get("scheduleEnabled", True), "scheduleEnabled"):
            schedule["paused"] = "disabled in Rundeck"
        return schedule
