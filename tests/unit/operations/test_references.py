"""References in data to facts of the host and to values of earlier steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.facts import fact
from jobqueue.operations.references import FACT, Lookup, has_reference, resolve

FACTS = {
    "hostname": "web1",
    "cpus": 4,
    "containerized": False,
    "addresses": ["192.0.2.1"],
    "interface.primary": "eth0",
    "label.rack-no": "r7",
    "ratio": 0.5,
}


def of(facts: Mapping[str, Any]) -> Lookup:
    return partial(fact, facts=facts)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("@fact.hostname", "web1"),
        ("@fact.cpus", 4),
        ("@fact.containerized", False),
        ("@fact.addresses", ["192.0.2.1"]),
        ("@fact.interface.primary", "eth0"),
        ("@fact.{label.rack-no}", "r7"),
        ("on @fact.hostname.", "on web1."),
        ("@fact.hostname-@fact.cpus", "web1-4"),
        ("/etc/@fact.{hostname}.conf", "/etc/web1.conf"),
        ("x=@fact.containerized @fact.ratio", "x=false 0.5"),
        ("@@fact.hostname", "@fact.hostname"),
        ("a@@fact.com and @fact.hostname", "a@fact.com and web1"),
        ("echo press@fact.org", "echo press@fact.org"),
        ("info@fact.co.uk, ü@fact.hostname", "info@fact.co.uk, ü@fact.hostname"),
        ("press@fact.{hostname}", "press@fact.{hostname}"),
        ("@fact", "@fact"),
        ("@fact.", "@fact."),
        ("@fact.{}", "@fact.{}"),
        ("@facts.hostname", "@facts.hostname"),
        ("", ""),
        (5, 5),
        (None, None),
        ({"a": ["@fact.cpus", {"@fact.cpus": "@fact.hostname"}]}, {"a": [4, {"@fact.cpus": "web1"}]}),
    ],
    ids=repr,
)
def test_references_are_filled_in(data: Any, expected: Any) -> None:
    found = resolve(data, {FACT: of(FACTS)})
    assert found == expected
    assert type(found) is type(expected)


def test_values_are_not_searched_again() -> None:
    facts = {FACT: of({"a": "@fact.b", "b": "c"})}
    assert resolve("@fact.a", facts) == "@fact.b"
    assert resolve("<@fact.a>", facts) == "<@fact.b>"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("@fact.hostnam", r"no fact 'hostnam'\. Did you mean hostname\?"),
        ({"a": ["x @fact.interface.primry y"]}, r"no fact 'interface\.primry'\. Did you mean interface\.primary"),
        ("@fact.zzzzzz", r"no fact 'zzzzzz'\. For the text itself, write @@fact\.zzzzzz\.$"),
        ("list: @fact.addresses", r"'addresses' is not a single value"),
    ],
)
def test_unknown_facts_are_named(data: Any, message: str) -> None:
    with pytest.raises(OperationFailed, match=message):
        resolve(data, {FACT: of(FACTS)})


def test_references_are_seen_anywhere_but_in_keys() -> None:
    assert has_reference({"a": [{"b": "x @fact.y"}]})
    assert has_reference({"a": "x@@fact.y"})
    assert not has_reference({"a": "press@fact.org"})
    assert not has_reference({"@fact.a": ["b", 1, None]})
