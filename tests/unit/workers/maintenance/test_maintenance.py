"""Maintenance: what each service does in one step, and that one copy leads."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.exceptions import NoPermissionError

from jobqueue.dispatch.sender import Sender
from jobqueue.ledger.due import Due
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Heartbeat, Registration
from jobqueue.model.alert import CONNECTIONS_SCARCE
from jobqueue.model.external_run import ExternalRunReport
from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.settings import Settings
from jobqueue.targets.fleet import Fleet
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.acceptance.support.until import until
from tests.unit.workers.conftest import HOST, Submitter
from workers.agent.execution.executor import Executor
from workers.maintenance.connections import ConnectionCounter
from workers.maintenance.leader import Leadership
from workers.maintenance.result_inspector import ResultInspector
from workers.maintenance.service import Maintenance, make_services
from workers.maintenance.services import (
    STEP,
    ExternalRunExpirer,
    Placer,
    Pruner,
    Reaper,
    Reconciler,
    Sweeper,
)
from workers.metrics import MAINTENANCE


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counting:
    every_seconds = 1.0

    def __init__(self, work: int = 0) -> None:
        self.runs = 0
        self.work = work

    def run_once(self) -> int:
        self.runs += 1
        return self.work


def claim(ledger: Ledger, job_id: str) -> Claim:
    answer = ledger.executions.claim(job_id, HOST, HOST, "token")
    assert isinstance(answer, Claim)
    return answer


def let_the_lease_run_out(ledger: Ledger, job_id: str) -> None:
    ledger.client.zadd(ledger.keys.kind("leases"), {f"{job_id}:{HOST}": 0})


def test_only_the_leader_works_and_another_copy_takes_over(ledger: Ledger) -> None:
    clock, first, second = Clock(), Counting(), Counting()
    one = Maintenance(Leadership(ledger.scripts), [first], clock)
    two = Maintenance(Leadership(ledger.scripts), [second], clock)
    one.turn()
    two.turn()
    assert (first.runs, second.runs) == (1, 0)
    stopped = threading.Event()
    stopped.set()
    one.run(stopped)  # ends at once and gives the lead up
    clock.now += 2
    two.turn()
    assert second.runs == 1


def test_a_lead_that_is_not_renewed_runs_out(ledger: Ledger) -> None:
    assert Leadership(ledger.scripts).hold()
    other = Leadership(ledger.scripts)
    assert not other.hold()
    assert 0 < ledger.client.pttl(ledger.keys.kind("leader")) <= 5000
    ledger.client.delete(ledger.keys.kind("leader"))  # as when it expires
    assert other.hold()


def test_services_run_at_their_own_pace_and_again_at_once_after_a_full_step(ledger: Ledger) -> None:
    clock, slow, full = Clock(), Counting(), Counting(work=STEP)
    maintenance = Maintenance(Leadership(ledger.scripts), [slow, full], clock)
    assert maintenance.turn() == 0
    clock.now += 0.5
    maintenance.turn()
    assert (slow.runs, full.runs) == (1, 2)
    clock.now += 0.6
    maintenance.turn()
    assert slow.runs == 2


def test_an_outage_makes_it_wait_not_end(ledger: Ledger, outage: threading.Event) -> None:
    service = Counting()
    maintenance = Maintenance(Leadership(ledger.scripts), [service])
    stopped = threading.Event()
    outage.set()
    thread = threading.Thread(target=maintenance.run, args=(stopped,))
    thread.start()
    assert service.runs == 0
    outage.clear()
    until(lambda: service.runs, "the service runs")
    stopped.set()
    thread.join(30)
    assert not thread.is_alive()
    assert service.runs > 0


def _place(placer: Placer, clock: Clock) -> int:
    clock.now += 60
    return placer.run_once()


def test_a_job_is_placed_when_an_agent_with_what_it_needs_joins(
    ledger: Ledger, settings: Settings, submit: Submitter, executor: Executor
) -> None:
    clock = Clock()
    placer = Placer(ledger, Sender(settings), clock)
    needs = {"labels": {"zone": "a"}, "num_cpus": 2}
    job_id = submit("test.echo.get", {"text": "hi"}, target="_any", needs=needs)
    assert [_place(placer, clock), _place(placer, clock)] == [0, 0]  # HOST is there, and has no zone
    assert ledger.jobs.get(job_id).status is JobStatus.SUBMITTED
    ledger.agents.register(Registration("db1", "boot", {"zone": "a"}, {"cpus": 1}, ("test.echo.get",)))
    assert _place(placer, clock) == 0
    ledger.agents.register(Registration("db2", "boot", {"zone": "a"}, {"cpus": 2}, ("test.echo.get",)))
    assert [_place(placer, clock), _place(placer, clock)] == [1, 0]
    assert executor.execute(job_id, "_any") == "dropped: submitted"
    assert isinstance(ledger.executions.claim(job_id, "db2", "db2", "token"), Claim)
    assert ledger.jobs.get(job_id).executions[0].hostname == "db2"


def test_an_agent_runs_what_was_placed_on_it(
    ledger: Ledger, settings: Settings, submit: Submitter, executor: Executor
) -> None:
    clock = Clock()
    job_id = submit("test.echo.get", {"text": "hi"}, target="_any", needs={"labels": {"group": "web.dev"}})
    assert _place(Placer(ledger, Sender(settings), clock), clock) == 1
    assert executor.execute(job_id, HOST) == "completed"
    assert executor.execute(job_id, HOST) == "dropped: completed"
    assert ledger.jobs.get(job_id).attempts == 1


def test_all_that_wait_are_looked_at_in_turn(
    ledger: Ledger, settings: Settings, submit: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.maintenance.services.STEP", 2)
    clock = Clock()
    placer = Placer(ledger, Sender(settings), clock)
    for _ in range(4):
        submit("test.echo.get", target="_any", needs={"labels": {"zone": "nowhere"}})
    last = submit("test.echo.get", target="_any", needs={"labels": {"group": "web.dev"}})
    assert [_place(placer, clock) for _ in range(3)] == [0, 0, 1]
    assert ledger.jobs.get(last).executions[0].hostname == HOST


def test_agents_are_read_for_a_small_part_of_the_time_only(
    ledger: Ledger, settings: Settings, submit: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, reads = Clock(), Counting()
    placer = Placer(ledger, Sender(settings), clock)

    def slowly(*, is_fresh: bool) -> Fleet:
        assert is_fresh
        reads.run_once()
        clock.now += 0.5  # a large fleet
        return Fleet([])

    monkeypatch.setattr(ledger.roster, "fleet", slowly)
    for _ in range(5):
        placer.run_once()
    assert reads.runs == 0  # nothing waits
    submit("test.echo.get", target="_any", needs={"labels": {"zone": "a"}})
    for _ in range(60):
        placer.run_once()
        clock.now += 1
    assert 4 <= reads.runs <= 6


def test_the_reaper_watches_for_one_lease_before_it_acts(ledger: Ledger, submit: Submitter) -> None:
    clock = Clock()
    reaper = Reaper(ledger, lease_seconds=5, clock=clock)
    job_id = submit("test.echo.get")
    claim(ledger, job_id)
    let_the_lease_run_out(ledger, job_id)
    for _ in range(5):
        assert reaper.run_once() == 0
        clock.now += 1
    assert reaper.run_once() == 1
    assert ledger.jobs.get(job_id).executions[0].state is ExecutionState.LOST


def test_a_gap_in_its_view_of_the_ledger_makes_the_reaper_watch_again(ledger: Ledger, submit: Submitter) -> None:
    clock = Clock()
    reaper = Reaper(ledger, lease_seconds=2, clock=clock)
    for _ in range(3):
        reaper.run_once()
        clock.now += 1
    clock.now += 30  # Redis was away, and no agent could renew
    job_id = submit("test.echo.get")
    claim(ledger, job_id)
    let_the_lease_run_out(ledger, job_id)
    assert reaper.run_once() == 0
    assert ledger.jobs.get(job_id).status is JobStatus.PROCESSING


def test_the_reconciler_publishes_a_lost_message_again_once(
    ledger: Ledger, submit: Submitter, settings: Settings
) -> None:
    sender = Sender(settings)
    job_id = submit("test.echo.get")  # stored without a message, as if it had been lost
    queue = f"{ledger.keys.queue(HOST)}\x06\x165"
    reconciler = Reconciler(ledger, sender, older_than_seconds=0)
    assert reconciler.run_once() == 1
    assert reconciler.run_once() == 0
    (message,) = ledger.client.lrange(queue, 0, -1)
    assert job_id in message
    assert ledger.stats()["republished"] == 1


def test_with_a_broker_elsewhere_only_live_and_idle_agents_get_messages_again(
    ledger: Ledger, submit: Submitter, settings: Settings
) -> None:
    sent: list[str] = []

    class Elsewhere:
        template = ""

        def send(self, due: list[Due]) -> None:
            sent.extend(one.slot for one in due)

    ledger.agents.register(Registration("db1", "boot", {}, {}, ("test.echo.get",)))
    ledger.agents.register(Registration("busy", "boot", {}, {}, ("test.echo.get",)))
    ledger.agents.beat("busy", "boot", Heartbeat(running=1))
    for host in (HOST, "db1", "busy"):
        job_id = submit("test.echo.get", target=host)
        ledger.client.zadd(ledger.keys.waiting(host), {job_id: 1})  # waits since 1970
        ledger.client.zadd(ledger.keys.kind("queues"), {host: 1})
    submit("test.echo.get")
    ledger.agents.leave("db1", "boot")
    reconciler = Reconciler(ledger, Elsewhere(), older_than_seconds=0)  # type: ignore[arg-type]
    assert reconciler.run_once() == 1
    assert reconciler.run_once() == 0
    assert sent == [HOST]


def test_the_pruner_removes_what_ended_long_ago_and_nothing_else(ledger: Ledger, submit: Submitter) -> None:
    known = set(ledger.client.keys())
    finished, waiting = submit("test.echo.get"), submit("test.echo.get")
    ledger.executions.finish(claim(ledger, finished), ExecutionState.COMPLETED, out='{"data":1,"changed":false}')
    assert Pruner(ledger, ttl_seconds=3600).run_once() == 0
    assert Pruner(ledger, ttl_seconds=0).run_once() == 1
    assert ledger.jobs.counts()[JobStatus.SUBMITTED] == 1
    ledger.jobs.cancel(waiting, "test")
    assert Pruner(ledger, ttl_seconds=0).run_once() == 1
    remaining = {ledger.keys.kind(kind) for kind in ("clock", "events", "measured", "queues")}
    assert set(ledger.client.keys()) - known == remaining


def test_the_sweeper_removes_unused_packages(ledger: Ledger) -> None:
    package = ledger.packages.store("_ray_pkg_0123456789abcdef.zip", [b"x"])
    sweeper = Sweeper(ledger)
    assert sweeper.run_once() == 0
    ledger.client.zadd(ledger.keys.kind("packages"), {package.name: 1})  # as if it had been kept until 1970
    ledger.client.hset(ledger.keys.kind("package") + package.name, "kept", 1)
    assert sweeper.run_once() == 1
    assert ledger.client.keys(ledger.keys.upload("*")) == []


def test_all_services_run_over_an_empty_ledger(ledger: Ledger, settings: Settings) -> None:
    services = make_services(ledger, settings)
    assert [service.run_once() for service in services] == [1] + [0] * (len(services) - 1)  # the scripts are loaded


def test_a_run_elsewhere_whose_driver_is_silent_is_ended(ledger: Ledger) -> None:
    for word, state in (("starting", "submitted"), ("running", "started")):
        ledger.external_runs.report(ExternalRunReport(word, word, frozenset(), state))
    assert ExternalRunExpirer(ledger, silence_seconds=3600).run_once() == 0
    assert ExternalRunExpirer(ledger, silence_seconds=0).run_once() == 2
    assert ExternalRunExpirer(ledger, silence_seconds=0).run_once() == 0
    assert ledger.jobs.counts()[JobStatus.FAILED] == 2


class Failing(Counting):
    def __init__(self, *errors: Exception | None) -> None:
        super().__init__()
        self.errors = list(errors)

    def run_once(self) -> int:
        super().run_once()
        error = self.errors.pop(0)
        if error:
            raise error
        return 1


def test_one_failing_service_stops_no_other_and_is_logged_once(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    clock, good = Clock(), Counting()
    failing = Failing(ValueError("weird"), ValueError("weird"), None, KeyError("x"))
    before = _failures()
    maintenance = Maintenance(Leadership(ledger.scripts), [failing, good], clock)
    for _ in range(4):
        maintenance.turn()
        clock.now += 1
    assert (failing.runs, good.runs) == (4, 4)
    assert _failures() - before == 3
    assert [record.levelname for record in caplog.records if "Failing failed" in record.getMessage()] == ["ERROR"] * 2


def _failures() -> float:
    return MAINTENANCE.get_sample_value("jobqueue_maintenance_failures_total", {"service": "failing"}) or 0.0


def test_a_damaged_leader_record_delays_no_service_for_good(ledger: Ledger) -> None:
    ledger.client.hset(ledger.keys.kind("leader"), "not", "a text")
    service, stopped = Counting(), threading.Event()
    thread = threading.Thread(target=Maintenance(Leadership(ledger.scripts), [service]).run, args=(stopped,))
    thread.start()
    time.sleep(0.2)
    ledger.client.delete(ledger.keys.kind("leader"))
    until(lambda: service.runs, "the service runs")
    stopped.set()
    thread.join(30)


def test_a_result_that_cannot_be_looked_at_hides_no_other(
    ledger: Ledger, submit: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = submit("test.echo.get"), submit("test.echo.get")
    for job_id in (first, second):
        ledger.executions.finish(claim(ledger, job_id), ExecutionState.COMPLETED, out='{"data": 1, "changed": false}')
    verifier = ResultVerifier(ledger.agents, TrustedKeys(None))
    faults = verifier.faults

    def odd(job: Job) -> list[tuple[str, str]]:
        if job.id == second:
            raise TypeError("odd")
        return faults(job)

    monkeypatch.setattr(verifier, "faults", odd)
    keys = SimpleNamespace(are_there=lambda: True)
    assert ResultInspector(ledger, verifier, cast("Any", keys)).run_once() == 0
    assert {alert.job_id for alert in ledger.executions.alerts()} == {first, second}


def test_few_connections_left_are_an_alert_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {"connected_clients": 79, "maxclients": 100}
    monkeypatch.setattr(ledger, "server", lambda: info)
    counter = ConnectionCounter(ledger)
    assert counter.run_once() == 0
    info["connected_clients"] = 80
    assert [counter.run_once() for _ in range(3)] == [1, 0, 0]
    [alert] = ledger.executions.alerts()
    assert alert.kind == CONNECTIONS_SCARCE
    assert "takes 100 connections (maxclients) and has 80" in alert.message
    assert ledger.stats()[CONNECTIONS_SCARCE] == 1
    info["connected_clients"] = 20
    assert counter.run_once() == 0
    info["connected_clients"] = 100
    assert counter.run_once() == 1


def test_a_user_that_may_not_ask_the_server_watches_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied() -> None:
        raise NoPermissionError("NOPERM this user has no permissions to run the 'info' command")

    monkeypatch.setattr(ledger.client, "info", denied)
    assert ConnectionCounter(ledger).run_once() == 0
