"""Which agents a job with needs may go to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.errors import NoLiveAgent
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.selector import Selector
from jobqueue.services.placement import HOSTNAME_LABEL, Needs, candidates

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
    assert needs.are_any is (needs != Needs())


def test_agents_that_cannot_run_it_are_left_out() -> None:
    assert candidates([SMALL, replace(LARGE, operations=())], OPERATION, Needs(num_cpus=1)) == ("small",)


@pytest.mark.parametrize("away", [{"live": False}, {"state": AgentState.DRAINING}, {"state": AgentState.CORDONED}])
def test_agents_that_are_away_are_left_out(away: dict[str, object]) -> None:
    gone = replace(LARGE, **away)  # type: ignore[arg-type]
    assert candidates([SMALL, gone], OPERATION, Needs(num_cpus=1)) == ("small",)
    with pytest.raises(NoLiveAgent, match=r"that fit \(large\) are offline or draining"):
        candidates([SMALL, gone], OPERATION, zone("b"))


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (zone("in(c, d)"), "needs the label zone is c or d"),
        (Needs(num_cpus=65), r"65 CPUs \(the most that an agent has is 64\)"),
        (Needs(memory=9001), r"9001 bytes of memory \(the most that an agent has is 9000\)"),
        (Needs(selectors=zone("a").selectors, num_cpus=8), "zone is a, 8 CPUs"),
    ],
)
def test_nobody_fits(needs: Needs, words: str) -> None:
    with pytest.raises(NoLiveAgent, match=words):
        candidates([SMALL, LARGE], OPERATION, needs)


def test_agents_that_told_nothing_have_nothing() -> None:
    silent = an_agent("silent", cpus=None, memory="much", facts={})
    with pytest.raises(NoLiveAgent, match="an agent has is 0"):
        candidates([silent], OPERATION, Needs(num_cpus=1))
    with pytest.raises(NoLiveAgent, match="No agent fits"):
        candidates([], OPERATION, Needs(memory=1))
