"""Grants where they are written."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput, PermissionDenied
from jobqueue.model.principal import Principal
from jobqueue.services import grants
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host


def test_spelled_in_one_way() -> None:
    given = ["job:read@(group=web) and (not env:prod)", "job:read@group:web and not env:prod", "agent:read@_all"]
    assert grants.spelled(given) == ("agent:read", "job:read@group:web and not env:prod")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("job:read@group:", "not well formed"),
        ("job:read@10% of group:web", "a sample"),
        ("job:read@@mine", "@mine can be changed later"),
        ("job:read@job:123e4567-e89b-42d3-a456-426614174000.failed", "how it ended"),
        ("job:read@state:Ready", "from moment to moment"),
        ("job:read@group:web and not agent.version<1", "from moment to moment"),
        ("job:read@_any", "_any"),
        ("job:read@web[1-99999999]", "range|hostnames|at most"),
    ],
)
def test_targets_that_carry_no_rights(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        grants.spelled([text])
    assert refused.value.details is not None
    assert "permissions" in refused.value.details


def test_a_negated_typing_error() -> None:
    fleet = Fleet([Host("web1", labels={"env": "test"})])
    with pytest.raises(InvalidInput, match=r"would apply to every host.*Did you mean env"):
        grants.refuse_doubtful(["job:read@not evn:prod"], fleet)
    grants.refuse_doubtful(["job:read@not env:prod", "job:read@evn:prod", "job:read"], fleet)
    grants.refuse_doubtful(["job:read@not evn:prod"], Fleet([]))


@pytest.mark.parametrize(
    ("held", "wanted", "is_allowed"),
    [
        ("job:read", "job:read@group:web", True),
        ("job:*", "job:read@group:web;max_hosts=5", True),
        ("*@group:web", "job:read@group:web", True),
        ("*@group:web", "job:read@group:web and zone:a", True),
        ("*@group:web and zone:a", "job:read@group:web and zone:a and os.name:debian", True),
        ("*@group:web", "job:read", False),
        ("*@group:web", "job:read@group:db", False),
        ("*@group:web", "job:read@group:web or group:db", False),
        ("*@group:web", "job:read@not group:web", False),
        ("*@group:web and zone:a", "job:read@group:web", False),
        ("job:read@group:web", "job:*@group:web", False),
        ("job:read@group:web", "job:write@group:web", False),
        ("*;max_hosts=5", "job:read;max_hosts=5", True),
        ("*;max_hosts=5", "job:read@group:web;max_hosts=3", True),
        ("*;max_hosts=5", "job:read", False),
        ("*;max_hosts=5", "job:read;max_hosts=6", False),
        ("*;max_hosts=5", "job:read;max_hosts=1%", False),
        ("*;max_hosts_per_hour=5", "job:read;max_hosts_per_hour=1", False),
    ],
)
def test_only_narrower_grants_are_handed_on(held: str, wanted: str, is_allowed: bool) -> None:
    by = Principal("anna", frozenset({held, "key:write"}))
    if is_allowed:
        grants.require(by, wanted)
        return
    with pytest.raises(PermissionDenied) as refused:
        grants.require(by, wanted)
    assert refused.value.details == {"permission": wanted}
