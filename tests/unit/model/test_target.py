"""Targets: examples. The rules behind them are in tests/property/test_targets.py."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidTarget
from jobqueue.model.target import Target, TargetKind, check_hostname, check_label, label_prefixes


@pytest.mark.parametrize(
    ("text", "kind", "is_broadcast"),
    [
        ("_any", TargetKind.ANY, False),
        ("_all", TargetKind.ALL, True),
        ("db1.example.org", TargetKind.HOST, False),
        ("group:web.dev", TargetKind.LABEL, True),
        ("topology.kubernetes.io/zone:eu-1", TargetKind.LABEL, True),
    ],
)
def test_each_kind(text: str, kind: TargetKind, is_broadcast: bool) -> None:
    target = Target.parse(text)
    assert (target.text, target.kind, target.is_broadcast) == (text, kind, is_broadcast)


def test_a_label_has_two_parts() -> None:
    target = Target.parse("group:web.dev")
    assert (target.key, target.value) == ("group", "web.dev")


@pytest.mark.parametrize(
    "text", ["", " ", "_", "_one", "a b", "a:", ":b", "a:b c", "a:b:c", "-a", "a" * 254, "a\n", "é"]
)
def test_what_is_not_well_formed_is_named(text: str) -> None:
    with pytest.raises(InvalidTarget) as caught:
        Target.parse(text)
    assert repr(text[:10])[1:-1] in caught.value.message


@pytest.mark.parametrize("hostname", ["_any", "a:b", "", "a b"])
def test_names_that_no_agent_may_carry(hostname: str) -> None:
    with pytest.raises(InvalidTarget):
        check_hostname(hostname)


@pytest.mark.parametrize(
    ("key", "value"), [("", "x"), ("k", ""), ("k:k", "v"), ("k", "v:v"), ("k", "a\nb"), ("k", "a|b")]
)
def test_labels_that_no_agent_may_carry(key: str, value: str) -> None:
    with pytest.raises(InvalidTarget):
        check_label(key, value)


def test_prefixes() -> None:
    assert label_prefixes("group", "web.dev.eu") == ["group:web", "group:web.dev", "group:web.dev.eu"]
    assert label_prefixes("rack", "r1") == ["rack:r1"]
