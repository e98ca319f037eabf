"""Schedules that run saved jobs: the newest version, with the owner's rights at each time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.scheduling import submission_of
from jobqueue.errors import InvalidInput, LedgerUnavailable, PermissionDenied
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.schedule import Overlap
from jobqueue.model.submission import Submission
from tests.ledger.test_schedules import ADMIN, HOUR, Clockwork, user
from tests.ledger.world import World

RIGHTS = ("job:write", "job:read", "agent:read", "command:execute")
CONTENT = {"saved": "deploy", "parameters": {"version": "1.4"}}


class SavedClockwork(Clockwork):
    """A clockwork whose schedules hold what the API takes."""

    def make(self, content: Mapping[str, Any], principal: Principal) -> Submission:
        return submission_of(content, principal, self.services)

    def save(self, word: str = "deploy", parameters: Mapping[str, Any] | None = None, **fields: Any) -> None:
        data = {"argv": [word, "{{ version }}"]}
        job = {"operation": "command.exec.execute", "data": data, "target": "web1"}
        known = {"version": {"pattern": "^[0-9.]+$"}} if parameters is None else parameters
        self.services.saved_jobs.put(SavedJob("deploy", job, known, **fields), ADMIN)

    def last_job(self) -> Any:
        return self.services.jobs.get(self.schedules.get("s").progress.job_id)


@pytest.fixture
def clockwork(world: World, tmp_path: Path) -> SavedClockwork:
    clockwork = SavedClockwork(world, tmp_path)
    clockwork.save()
    return clockwork


def test_each_time_runs_the_newest_version(clockwork: SavedClockwork) -> None:
    clockwork.create(content=CONTENT, overlap=Overlap.ALLOW)
    clockwork.go(0)
    first = clockwork.last_job()
    assert (first.data["argv"], first.saved) == (["deploy", "1.4"], {"name": "deploy", "version": 1})
    assert first.tags == {"schedule": "s"}
    clockwork.save("rollout")
    clockwork.go(HOUR)
    second = clockwork.last_job()
    assert (second.data["argv"], second.saved) == (["rollout", "1.4"], {"name": "deploy", "version": 2})
    (entry,) = (one.content for one in clockwork.services.audit_trail.newest(1))
    assert (entry.path, entry.details["saved"], entry.details["version"]) == ("/schedule/s", "deploy", 2)


def test_a_saved_job_that_is_gone_is_a_refused_time_and_the_schedule_goes_on(clockwork: SavedClockwork) -> None:
    clockwork.create(content=CONTENT, overlap=Overlap.ALLOW)
    clockwork.go(0)
    clockwork.services.saved_jobs.remove("deploy", ADMIN)
    clockwork.go(HOUR)
    assert clockwork.results()[-1].reason.startswith("job.saved: No job is saved as 'deploy'")
    clockwork.save()
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("fired", 1), ("refused", 1), ("fired", 1)]


def test_values_that_no_longer_fit_are_a_refused_time(clockwork: SavedClockwork) -> None:
    clockwork.create(content=CONTENT)
    clockwork.save(parameters={"version": {"pattern": "^[0-9.]+$"}, "channel": {}})
    clockwork.go(0)
    clockwork.save(parameters={"version": {"enum": ["2.0"]}})
    clockwork.go(HOUR)
    missing, unfit = clockwork.results()
    assert (missing.outcome, missing.reason) == ("refused", "job.parameters.channel: Missing; it is required.")
    assert (unfit.outcome, unfit.reason[:23]) == ("refused", "job.parameters.version:")


def test_the_rights_are_those_of_the_owner_at_the_time(clockwork: SavedClockwork) -> None:
    clockwork.create(principal=user(clockwork, "saved:run", *RIGHTS), content=CONTENT, overlap=Overlap.ALLOW)
    clockwork.go(0)
    user(clockwork, *RIGHTS)
    clockwork.go(HOUR)
    user(clockwork, "saved:run", *RIGHTS)
    clockwork.save(run_by=("bob",))
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("fired", 1), ("refused", 1), ("refused", 1)]
    assert "saved:run" in clockwork.results()[1].reason
    assert "run_by lists bob" in clockwork.results()[2].reason


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ({"saved": "deplyo"}, InvalidInput, "job.saved: No job is saved as 'deplyo'"),
        ({"saved": "deploy"}, InvalidInput, "job.parameters.version: Missing"),
        ({"saved": "deploy", "parameters": {"version": "$(id)"}}, InvalidInput, "job.parameters.version: "),
        ({**CONTENT, "target_hostname": "web2"}, InvalidInput, "job.target_hostname: .*web1 only"),
        ({**CONTENT, "version": 1}, InvalidInput, "job.version: A schedule runs the newest version"),
        ({**CONTENT, "plan_hash": "x"}, InvalidInput, "job.plan_hash: "),
        ({**CONTENT, "title": "x"}, InvalidInput, "job.title: Unknown field"),
        ({"saved": 3}, InvalidInput, "job.saved: "),
    ],
)
def test_content_is_checked_when_it_is_stored(
    clockwork: SavedClockwork, content: Mapping[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        clockwork.create(content=content)


def test_who_may_not_run_the_saved_job_cannot_schedule_it(clockwork: SavedClockwork) -> None:
    for content in (CONTENT, {"saved": "nowhere"}):
        with pytest.raises(PermissionDenied, match="saved:run"):
            clockwork.create(principal=user(clockwork, *RIGHTS), content=content)
    clockwork.save(run_by=("bob",))
    with pytest.raises(PermissionDenied, match="run_by lists bob"):
        clockwork.create(principal=user(clockwork, "saved:run", *RIGHTS), content=CONTENT)
    clockwork.save(run_by=())
    with pytest.raises(PermissionDenied, match="command:execute"):
        clockwork.create(principal=user(clockwork, "saved:run", "job:write", "agent:read"), content=CONTENT)


def test_secrets_remain_names(clockwork: SavedClockwork) -> None:
    job = {"operation": "command.exec.execute", "data": {"argv": ["x"], "env": {"T": "{{ token }}"}}, "target": "web1"}
    clockwork.services.saved_jobs.put(SavedJob("secret", job, {"token": {"secret": True}}), ADMIN)
    with pytest.raises(InvalidInput, match=r"job.parameters.token: "):
        clockwork.create(content={"saved": "secret", "parameters": {"token": "hunter2"}})
    content = {"saved": "secret", "parameters": {"token": {"$secret": "shop.deploy"}}}
    with pytest.raises(PermissionDenied, match="secret:use"):
        clockwork.create(principal=user(clockwork, "saved:run", *RIGHTS), content=content)
    clockwork.create(content=content)
    clockwork.go(0)
    assert clockwork.last_job().data["env"] == {"T": {"$secret": "shop.deploy"}}


def test_an_outage_while_the_saved_job_is_read_loses_no_time(
    clockwork: SavedClockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    clockwork.create(content=CONTENT)

    def unavailable(_name: str) -> SavedJob:
        raise LedgerUnavailable("Redis is away")

    with monkeypatch.context() as patch:
        patch.setattr(clockwork.services.saved_jobs, "get", unavailable)
        with pytest.raises(LedgerUnavailable):
            clockwork.scheduler.turn()
    assert clockwork.results() == []
    clockwork.go(0)
    assert clockwork.outcomes() == [("fired", 1)]
