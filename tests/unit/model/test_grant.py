from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.grant import Grant, HostLimit, parse_grant
from jobqueue.model.principal import Principal, narrowed


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("job:read", Grant("job:read")),
        ("*", Grant("*")),
        ("job:*@group:web", Grant("job:*", "group:web")),
        ("shell:execute@not env:prod", Grant("shell:execute", "not env:prod")),
        ("shell:execute@a:b@c", Grant("shell:execute", "a:b@c")),
        ("pause:write@group:web", Grant("pause:write", "group:web")),
        ("*;max_hosts=10", Grant("*", None, HostLimit(10))),
        ("*@web1;max_hosts=2.5%;max_hosts_per_hour=40", Grant("*", "web1", HostLimit(2.5, True), 40)),
    ],
)
def test_parsed_and_printed(text: str, grant: Grant) -> None:
    assert parse_grant(text) == grant
    assert str(grant) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a permission"),
        ("job", "not a permission"),
        ("job:read@", "names no target"),
        ("job:read@ ", "names no target"),
        ("@group:web", "not a permission"),
        ("metrics:read@group:web", "whole system"),
        ("pause:write@group:web;max_hosts=1", "no limit"),
        ("key:write;max_hosts=3", "whole system"),
        ("*;max_hosts=0", "whole number from 1"),
        ("*;max_hosts=101%", "at most 100%"),
        ("*;max_hosts=0%", "more than 0%"),
        ("*;max_hosts=1.5", "whole number"),
        ("*;max_hosts=x", "limits"),
        ("*;max_hosts_per_hour=0", "at least 1"),
        ("*;max_hosts_per_hour=5;max_hosts=5", "limits"),
        ("*;max_hosts=5;max_hosts=6", "limits"),
        ("job:read@" + "x" * 1024, "at most 1024"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        parse_grant(text)


def test_a_restricted_grant_is_none_where_hosts_are_not_looked_at() -> None:
    who = Principal("anna", frozenset({"job:*@group:web", "agent:read;max_hosts=1", "file:read"}))
    assert not who.may("job:read")
    assert not who.may("agent:read")
    assert who.may("file:read")
    assert who.may_somewhere("job:read")
    assert who.may_somewhere("agent:read")
    assert not who.may_somewhere("audit:read")
    assert Principal("anna", frozenset({"file:read"})).restricted == ()


@pytest.mark.parametrize(
    ("granted", "limits", "both"),
    [
        ({"job:*@group:web"}, {"job:read"}, {"job:read@group:web"}),
        ({"job:*"}, {"job:read@group:web"}, {"job:read@group:web"}),
        ({"job:read@group:web"}, {"*"}, {"job:read@group:web"}),
        ({"job:read@group:web"}, {"job:*@env:test"}, {"job:read@(group:web) and (env:test)"}),
        ({"job:read@group:web"}, {"job:read@group:web"}, {"job:read@group:web"}),
        ({"job:read;max_hosts=5"}, {"job:read;max_hosts=3"}, {"job:read;max_hosts=3"}),
        ({"job:read;max_hosts=5%"}, {"job:read;max_hosts=3"}, {"job:read;max_hosts=1"}),
        ({"*;max_hosts_per_hour=5"}, {"job:read;max_hosts_per_hour=9"}, {"job:read;max_hosts_per_hour=5"}),
        ({"job:read@group:web"}, {"agent:read"}, set()),
        ({"*@group:web"}, {"key:write"}, set()),
        ({"*;max_hosts=1"}, {"metrics:read"}, set()),
        ({"*@group:web"}, {"pause:write"}, {"pause:write@group:web"}),
        ({"*@group:web;max_hosts=1"}, {"pause:*"}, set()),
    ],
)
def test_narrowed(granted: set[str], limits: set[str], both: set[str]) -> None:
    assert narrowed(granted, limits) == both
    assert {parse_grant(text).permission for text in narrowed(limits, granted)} == {
        parse_grant(text).permission for text in both
    }


def test_a_share_of_the_fleet() -> None:
    assert [HostLimit(5, True).of(fleet) for fleet in (0, 10, 100, 1999)] == [1, 1, 5, 99]
    assert HostLimit(7).of(3) == 7
