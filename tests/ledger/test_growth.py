"""No call to Redis grows with the fleet or with the hosts of a job: the same steps, with a small and a large fleet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from jobqueue.errors import NoLiveAgent
from jobqueue.ledger import failures, fleet, job_slots, jobs, scripts, staging
from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.job_slots import JobSlots
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.agent import Heartbeat
from jobqueue.model.agent_filter import AgentFilter
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger.counting import commands_of, words_of
from tests.ledger.world import LEASE, OPERATION, World

SMALL, LARGE = 60, 240
#: Hosts, executions and agents that one call of these steps takes; less than the small fleet has.
STEP = 20
#: Verbs that examine all of one job in a call, so that its records agree: only `doctor` calls them.
WHOLE_JOB = {"examine_job", "rebuild_timeline"}


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        *((scripts, "LARGE_JOB"), (jobs, "SLICE"), (staging, "SLICE"), (staging, "OPENED"), (fleet, "STEP")),
        *((jobs, "_READ_STEP"), (jobs, "_LOOK_STEP"), (jobs, "SHOWN_EXECUTIONS"), (failures, "MOST_EXECUTIONS")),
        *((job_slots, "NAMED"), (job_slots, "LOOKED_AT"), (job_slots, "READ")),
    ):
        monkeypatch.setattr(module, name, STEP)


@contextmanager
def most_by_verb(client: redis.Redis, called: Any) -> Iterator[dict[str, int]]:
    """The largest number of commands that one call of each verb ran; pipelines are taken apart."""
    found: dict[str, int] = {}
    original = called.call

    def call(verb: str, *arguments: Any) -> Any:
        answer: list[Any] = []
        ran = commands_of(client, lambda: answer.append(original(verb, *arguments)))
        found[verb] = max(found.get(verb, 0), ran)
        return answer[0]

    called.call = call
    called.call_many = lambda verb, calls, **_: [call(verb, *arguments) for arguments in calls]
    try:
        yield found
    finally:
        del called.call, called.call_many


def agents(world: World, hosts: list[str]) -> None:
    """What agents do, and what reads them."""
    for host in (hosts[0], hosts[-1]):
        world.agents.beat(host, "boot", Heartbeat((0.1,), {}))
    world.agents.drain(hosts[1])
    for _ in range(3):
        world.create(ANY)
    world.agents.undrain(hosts[1])
    world.agents.muster_all()
    while world.agents.muster(STEP):
        pass
    assert len(list(world.ledger.fleet.rows())) == len(hosts)
    world.agents.page(AgentFilter(limit=10, labels=(("rack", "a"),)))
    world.agents.page(AgentFilter(limit=10))


def broadcast(world: World, hosts: list[str], target: str) -> str:
    """A job of all hosts that some of them run; read, listed, retried, cancelled."""
    world.register(*hosts, labels={"rack": "a"})  # they are live
    job_id = world.create(target)
    done = world.run(job_id, hosts[0])
    assert world.executions.renew(hosts[0], [done])
    world.executions.report_progress(world.claim(job_id, hosts[1]), '{"data": 1, "changed": false}')
    world.finish(world.claim(job_id, hosts[2]), ExecutionState.FAILED, note="broke")
    world.retry_later(world.claim(job_id, hosts[3]), 1)
    world.clock.advance(2)
    world.promote()
    world.jobs.get(job_id, 10)
    world.jobs.executions(job_id, 0, 10, (ExecutionState.FAILED,))
    world.jobs.summaries(JobFilter(hostname=hosts[0], operation=OPERATION))
    names = JobSlots(world.ledger.scripts).names(job_id, len(hosts))
    JobSlots(world.ledger.scripts).states(job_id, names)
    world.clock.advance(LEASE + 1)
    world.executions.reap(STEP)
    world.jobs.cancel(job_id, "ada")
    world.ledger.failures.since(0)
    return job_id


def maintenance(world: World, hosts: list[str]) -> None:
    """What maintenance does with jobs that wait, here and with a broker of its own."""
    world.register(*hosts, labels={"rack": "a"})
    world.create(ALL, expires_at=world.clock.after(60))
    world.executions.watch_queues(hosts[:STEP])
    world.lose_messages(hosts[0])
    world.clock.advance(30)
    for template in (world.template, ""):
        slots, _ = world.executions.stale_queues(5.0, STEP)
        world.executions.reconcile(slots, 5.0, STEP, template)
        world.executions.reconcile([ANY], 5.0, STEP, template)
    watch = Watch(world.ledger, LEASE)
    watch.shared_keys()
    watch.waiting_jobs(STEP)
    world.clock.advance(60)
    while world.executions.expire_slice(STEP)[1]:
        pass


def refused(world: World) -> None:
    with pytest.raises(NoLiveAgent):
        world.create(ANY)


@pytest.mark.realredis
def test_no_call_grows_with_the_fleet(real_world: World) -> None:
    world, most = real_world, []
    for size in (SMALL, LARGE):
        world.client.flushall()
        hosts = [f"host{number:03}" for number in range(size)]
        world.register(*hosts, labels={"rack": "a"})
        with most_by_verb(world.client, world.ledger.scripts) as found:
            agents(world, hosts)
            removed = [broadcast(world, hosts, target) for target in (ALL, "rack:a")]
            maintenance(world, hosts)
            list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
            for job_id in removed:
                world.jobs.delete(job_id)
            world.leave(*hosts)
            refused(world)
            world.agents.forget(hosts[-1])
        most.append(found)
    small, large = most
    assert small.keys() == large.keys()
    assert len(large) >= 35
    assert set(large) >= {"create_jobs", "open_slice", "claim", "finish", "reconcile", "survey_agents", "remove_orphan"}
    grown = {verb: (small[verb], large[verb]) for verb in large if large[verb] > 1.2 * small[verb] + 5}
    assert set(grown) <= WHOLE_JOB, grown
    assert set(grown) & WHOLE_JOB  # the bound tells growth


@pytest.mark.realredis
def test_a_refusal_does_not_look_at_every_agent(real_world: World) -> None:
    """While all agents of a fleet are offline, each submission is refused at a fixed cost."""
    world, words = real_world, []
    for size in (SMALL, LARGE):
        hosts = [f"host{number:03}" for number in range(size)]
        world.register(*hosts)
        world.leave(*hosts)
        refused(world)  # loads the script
        words.append(words_of(world.client, lambda: refused(world)))
    assert STEP < words[1] < 1.2 * words[0]
