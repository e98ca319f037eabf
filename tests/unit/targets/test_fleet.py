"""Agents by target: the index finds the same hosts as a look at each of them."""

from __future__ import annotations

import pytest

from jobqueue.model.target import Target, TargetKind
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host

FLEET = Fleet(
    Host(name, labels=labels, facts={"rack": ("r1",)})
    for name, labels in (
        ("web2", {"group": "web.dev", "rack": "r1"}),
        ("web1", {"group": "web.prod.eu"}),
        ("db1", {"group": "db", "state": "web"}),
        ("bare", {}),
    )
)


@pytest.mark.parametrize(
    ("text", "hostnames"),
    [
        ("_all", ["bare", "db1", "web1", "web2"]),
        ("web1", ["web1"]),
        ("web9", []),
        ("group:web", ["web1", "web2"]),
        ("group:web.prod", ["web1"]),
        ("group:web.pro", []),
        ("rack:r1", ["web2"]),
        ("state:web", ["db1"]),
        ("tier:web", []),
    ],
)
def test_the_hosts_that_a_target_names(text: str, hostnames: list[str]) -> None:
    target = Target.parse(text)
    assert list(FLEET.named_by(target)) == hostnames
    assert hostnames == [host.hostname for host in FLEET.hosts if target.includes(host.hostname, host.labels)]


def test_the_hosts_of_a_listed_target_are_not_chosen_by_it() -> None:
    assert list(FLEET.named_by(Target(TargetKind.HOSTS, "web* and not web1"))) == ["bare", "db1", "web1", "web2"]
