"""Which agents a job with needs may go to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from jobqueue.model.agent import AgentState
from jobqueue.model.needs import HOSTNAME_LABEL, Needs
from jobqueue.model.selector import Selector
from jobqueue.services.placement import CHOICE, candidates
from jobqueue.targets.host import Host, flat_facts

OPERATION = "entrypoint.run"


def an_agent(hostname: str, *, zone: str = "a", facts: Mapping[str, object] | None = None) -> Host:
    reported = {"cpus": 4, "memory": {"total": 1000}} if facts is None else facts
    return Host(hostname, True, AgentState.READY, {"zone": zone}, flat_facts(reported), frozenset({OPERATION}))


def zone(text: str) -> Needs:
    return Needs(selectors=(Selector.parse("zone", text),))


SMALL = an_agent("small")
LARGE = an_agent("large", zone="b", facts={"cpus": 64, "memory": {"total": 9000}})


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
    assert candidates([SMALL, replace(LARGE, operations=frozenset())], OPERATION, Needs(num_cpus=1)) == ("small",)


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
    silent = an_agent("silent", facts={})
    assert candidates([silent], OPERATION, Needs(num_cpus=1)) == ()
    assert candidates([silent], OPERATION, Needs(memory=1)) == ()


def test_facts_that_are_not_one_number_meet_no_need() -> None:
    odd = an_agent("odd", facts={"cpus": [4, 8], "memory": {"total": "much"}})
    assert candidates([odd], OPERATION, Needs(num_cpus=1)) == ()
    assert candidates([odd], OPERATION, Needs(memory=1)) == ()


def test_a_large_fleet_gives_a_choice_of_bounded_size() -> None:
    fleet = [an_agent(f"h{number:04}", zone="ab"[number % 2]) for number in range(3000)]
    chosen = candidates(fleet, OPERATION, zone("b"))
    assert len(set(chosen)) == len(chosen) == CHOICE
    assert list(chosen) == sorted(chosen)
    assert all(int(host[1:]) % 2 for host in chosen)
    assert chosen != candidates(fleet, OPERATION, zone("b"))  # the same few are not always chosen
