"""Permissions: who may what. Fail closed."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput, PermissionDenied
from jobqueue.model.principal import ANONYMOUS, Principal, check_name, check_permissions, is_name, system
from jobqueue.model.role import BUILTIN


def who(*permissions: str) -> Principal:
    return Principal("x", frozenset(permissions))


@pytest.mark.parametrize(
    ("granted", "asked", "may"),
    [
        ("job:read", "job:read", True),
        ("job:read", "job:write", False),
        ("job:*", "job:write", True),
        ("job:*", "jobs:write", False),
        ("job:*", "agent:read", False),
        ("*", "anything:atall", True),
        # a pattern is asked for by who would grant it: it needs one as wide
        ("job:read", "job:*", False),
        ("job:*", "job:*", True),
        ("job:*", "*", False),
        ("*", "*", True),
        # near misses
        ("job", "job:read", False),
        ("job:", "job:read", False),
        (":*", "job:read", False),
        ("*:*", "job:read", False),
        ("*:read", "job:read", False),
        ("JOB:READ", "job:read", False),
        (" job:read", "job:read", False),
        ("job:read", "job:read ", False),
        ("job:read", "", False),
        ("", "", True),  # cannot be: neither is a permission (check_permissions), and no rule is empty
    ],
)
def test_may(granted: str, asked: str, may: bool) -> None:
    assert who(granted).may(asked) is may


@pytest.mark.parametrize("asked", ["job:read", "*", "job:*", ":*", "public"])
def test_the_anonymous_principal_has_no_permission(asked: str) -> None:
    assert not ANONYMOUS.may(asked)
    with pytest.raises(PermissionDenied) as refused:
        ANONYMOUS.require(asked)
    assert refused.value.details == {"permission": asked}


def test_a_refusal_names_who_and_what() -> None:
    with pytest.raises(PermissionDenied, match="x lacks the permission job:write"):
        who("job:read").require("job:write")
    who("job:read").require("job:read")


def test_a_principal_shows_as_its_name() -> None:
    assert f"by {system('maintenance')}" == "by maintenance"


@pytest.mark.parametrize("name", ["a", "alice@example.com", "k9", "A" * 100, "a.b_c-d"])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".a", "a b", "a\n", "a\x00", "é", "A" * 101, "a:b", "a/b", "a|b", "<a>", "\x1b[0m"]
)
def test_no_names(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InvalidInput, match="user: Must be"):
        check_name(name, "user")


@pytest.mark.parametrize(
    "text",
    ["", "job", "job:", ":read", "*:read", "*:*", "job:read:x", "job:re ad", "job:**", "**", "job:read\n", "é:x"],
)
def test_no_permissions(text: str) -> None:
    with pytest.raises(InvalidInput, match="permissions"):
        check_permissions([text])


def test_permissions_are_sorted_and_bounded() -> None:
    assert check_permissions(["job:write", "*", "job:*", "job:write"]) == ("*", "job:*", "job:write")
    with pytest.raises(InvalidInput, match="At most 100"):
        check_permissions([f"a:x{n}" for n in range(101)])


def test_built_in_roles() -> None:
    assert BUILTIN["read"] < BUILTIN["write"]
    assert not any(permission.startswith(("key:", "audit:", "*")) for permission in BUILTIN["write"])
    assert not any(permission.endswith((":write", ":execute")) for permission in BUILTIN["read"])
    for name, permissions in BUILTIN.items():
        assert set(check_permissions(permissions)) == permissions, name
