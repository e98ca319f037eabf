"""Many schedules: how late those are that come due together, what they cost while none does, and ``jobqueue apply``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import urllib3

from benchmarks.process import BenchmarkError, Process
from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from benchmarks.site import TOKEN, Site
from jobqueue.model.timestamps import to_iso

TITLE = "Schedules: 1,000 due in the same second, and what idle ones cost"
_DUE = 1_000
#: Seconds until the last of those has made its job, share of a core while none is due, and seconds for so many files.
_LATE, _IDLE, _FILES, _APPLY = 5.0, 0.01, 1_000, 10.0
#: Seconds from now at which they come due, much longer than storing them takes.
_AHEAD = 40
_JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "_any"}
_SAVED = """kind: saved-job
name: job-{0:03}
operation: {{type: command.shell.execute, data: {{command: "echo {{{{ text | quote }}}}"}}}}
parameters: {{text: {{type: string, default: "{0}"}}}}
target_hostname: _any
"""
_SCHEDULE = """kind: schedule
name: job-{0:03}
cron: 0 0 1 1 *
job: {{saved: job-{0:03}}}
"""


def run(report: Report, scale: Scale) -> None:
    """One API with all of its processes, first without a schedule."""
    with Site.open() as site, site.api_process() as (api, url), _Client(url) as client:
        site.register_agents(3)
        without = _share(api, scale.idle_seconds)
        for number in range(scale.schedules):
            client.create(f"idle-{number:05}", cron="0 0 29 2 *")
        with_all = _share(api, scale.idle_seconds)
        late = _late(site, client)
        first, again = _apply(site, url)
    extra = max(0.0, with_all - without)
    report.add(_row(f"{_DUE} jobs of one second, until the last one is stored", f"{late:.1f} s", late, _LATE))
    shown = f"{100 * extra:.2f} % (the API in all: {100 * with_all:.1f} %)"
    what = f"share of a core for {scale.schedules} schedules of which none is due"
    report.add(Row(what, shown, f"{100 * _IDLE:g} %", extra / _IDLE, most=1.0, values={"ours": extra}))
    report.add(_row(f"`apply` of {_FILES} new files", f"{first:.1f} s", first, _APPLY))
    report.add(_row(f"`apply` of {_FILES} unchanged files", f"{again:.1f} s", again, _APPLY))


class _Client:
    """Creates schedules over one connection."""

    def __init__(self, url: str) -> None:
        self._pool = urllib3.connection_from_url(url, headers={"Authorization": f"Bearer {TOKEN}"})

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.close()

    def create(self, name: str, **timing: Any) -> None:
        answer = self._pool.request("POST", "/schedule", json={"name": name, "job": _JOB, "overlap": "allow", **timing})
        if answer.status != 201:
            raise BenchmarkError(f"Schedule {name} was not created: {answer.status} {answer.data.decode()}")


def _row(what: str, shown: str, seconds: float, limit: float) -> Row:
    return Row(what, shown, f"{limit:g} s", seconds / limit, most=1.0, values={"ours": seconds})


def _share(api: Process, seconds: float) -> float:
    """The share of a core that the API uses while it gets no request."""
    time.sleep(2.0)  # the work of requests before has ended
    used, began = api.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (api.cpu_seconds() - used) / (time.monotonic() - began)


def _late(site: Site, client: _Client) -> float:
    """Seconds from the time of schedules that are due together until the last of their jobs is stored."""
    due = site.ledger.time() + _AHEAD * 1_000_000
    for number in range(_DUE):
        client.create(f"due-{number:04}", at=to_iso(due))
    if site.ledger.time() >= due:
        raise BenchmarkError(f"Storing {_DUE} schedules took longer than {_AHEAD} s.")
    deadline = time.monotonic() + 2 * _AHEAD + 60
    while (stored := sum(site.ledger.jobs.counts().values())) < _DUE:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Only {stored} of {_DUE} schedules fired.")
        time.sleep(0.02)
    return (site.ledger.time() - due) / 1e6


def _apply(site: Site, url: str) -> tuple[float, float]:
    """Seconds for files that are all new, and for the same files again."""
    directory = site.directory / "files"
    directory.mkdir()
    for number in range(_FILES // 2):
        (directory / f"job-{number:03}.yaml").write_text(_SAVED.format(number))
        (directory / f"schedule-{number:03}.yaml").write_text(_SCHEDULE.format(number))
    return _timed(site, directory, url), _timed(site, directory, url)


def _timed(site: Site, directory: Path, url: str) -> float:
    began = time.monotonic()
    names = {"JOBQUEUE_URL": url, "JOBQUEUE_TOKEN": TOKEN}
    with site.process("-m", "jobqueue", "apply", "-f", str(directory), **names) as process:
        process.succeed("apply", 120)
    return time.monotonic() - began
