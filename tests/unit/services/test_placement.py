"""Which agents a job with needs may go to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.needs import HOSTNAME_LABEL, Needs
from jobqueue.model.selector import Selector
from jobqueue.services.placement import candidates

OPERATION = "entrypoint.run"


def an_agent(hostname: str, *, cpus: object = 4, memory: object = 1000, **fields: object) -> Agent:
    values: dict[str, object] = {
        "hostname": hostname,
        "live": True,
        "state": AgentState.READY,
        "labels": {"zone": "a"},
        "facts": {"cpus": cpus, "memory": {"total": memory}},
        "operations": (OPERATION,),
        "version": "1",
        "concurrency": 1,
        "started_at": 0,
        "last_heartbeat": 0,
        "queue_length": 0,
    }
    return Agent(**{**values, **fields})  # type: ignore[arg-type]


def zone(text: str) -> Needs:
    return Needs(selectors=(Selector.parse("zone", text),))


SMALL, LARGE = an_agent("small"), an_agent("large", cpus=64, memory=9000, labels={"zone": "b"})


@pytest.mark.parametrize(
    ("needs", "hosts"),
    [
        (Needs(), ("small", "large")),
        (Needs(num_cpus=4), ("small", "large")),
        (Needs(num_cpus=4.5), ("large",)),
        (Needs(memory=1001), ("large",)),
        (zone("a"), ("small",)),
        (zone("!a"), ("large",)),
        (Needs(selectors=(Selector.parse(HOSTNAME_LABEL, "large"),)), ("large",)),
    ],
)
def test_what_fits(needs: Needs, hosts: tuple[str, ...]) -> None:
    assert candidates([SMALL, LARGE], OPERATION, needs) == hosts


def test_agents_that_cannot_run_it_are_left_out() -> None:
    assert candidates([SMALL, replace(LARGE, operations=())], OPERATION, Needs(num_cpus=1)) == ("small",)


@pytest.mark.parametrize("away", [{"live": False}, {"state": AgentState.DRAINING}, {"state": AgentState.CORDONED}])
def test_agents_that_are_away_are_left_out(away: dict[str, object]) -> None:
    gone = replace(LARGE, **away)  # type: ignore[arg-type]
    assert candidates([SMALL, gone], OPERATION, Needs(num_cpus=1)) == ("small",)
    assert candidates([SMALL, gone], OPERATION, zone("b")) == ()


def test_what_no_agent_has() -> None:
    assert candidates([SMALL, LARGE], OPERATION, zone("in(c, d)")) == ()
    assert candidates([SMALL, LARGE], OPERATION, Needs(num_cpus=65)) == ()
    assert candidates([], OPERATION, Needs(memory=1)) == ()


def test_agents_that_reported_nothing_have_no_load() -> None:
    silent = an_agent("silent", cpus=None, memory="much", facts={})
    assert candidates([silent], OPERATION, Needs(num_cpus=1)) == ()
    assert candidates([silent], OPERATION, Needs(memory=1)) == ()
