"""Pauses by the size of the fleet: none for one host, bounded for any number, and different for each agent."""

from __future__ import annotations

import pytest

from workers.agent.spread import LONGEST_SECONDS, claim_pause, reconnect_pause


@pytest.mark.parametrize(("hosts", "longest"), [(3, 0.001), (300, 0.1), (9_000, 3.0), (10**9, LONGEST_SECONDS)])
def test_claims_of_a_broadcast_are_spread_by_its_size(hosts: int, longest: float) -> None:
    pauses = [claim_pause(hosts) for _ in range(500)]
    assert 0 <= min(pauses) < longest * 0.1
    assert longest * 0.9 < max(pauses) <= longest


def test_a_claim_of_one_host_waits_for_nothing() -> None:
    assert {claim_pause(hosts) for hosts in (0, 1)} == {0.0}


@pytest.mark.parametrize(
    ("size", "longest"), [(0, 0.0), (1, 0.0005), (10_000, LONGEST_SECONDS), (10**9, LONGEST_SECONDS)]
)
def test_agents_connect_again_one_after_the_other(size: int, longest: float) -> None:
    pauses = [reconnect_pause(size) for _ in range(500)]
    assert max(pauses) <= longest
    assert min(pauses) <= longest * 0.1
