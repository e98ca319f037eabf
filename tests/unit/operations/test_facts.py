"""Facts: what is known of the host, and how it is filled into data."""

from __future__ import annotations

import json
import platform
import socket
import threading
from typing import Any

import psutil
import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations import facts as facts_module
from jobqueue.operations.facts import collect, has_reference, lookup, resolve_facts

FACTS = {
    "hostname": "web1",
    "cpus": 4,
    "containerized": False,
    "addresses": ["192.0.2.1"],
    "interface.primary": "eth0",
    "label.rack-no": "r7",
    "ratio": 0.5,
}


def test_what_is_collected_is_json_and_complete() -> None:
    found = collect("web1")
    assert json.loads(json.dumps(found)) == found
    assert {"hostname", "fqdn", "os", "kernel", "arch", "cpus", "memory", "disks", "addresses"} <= set(found)
    assert found["hostname"] == "web1"
    assert found["kernel"] == platform.release()
    assert found["cpus"] == psutil.cpu_count()
    assert found["memory"]["total"] == psutil.virtual_memory().total
    assert found["os"]["system"] == platform.system().lower()
    assert found["disks"][0]["total"] > 0


def test_without_a_name_it_is_the_machines() -> None:
    assert collect()["hostname"] == socket.gethostname()


def test_a_slow_name_service_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(facts_module, "_FQDN_SECONDS", 0.05)
    monkeypatch.setattr(facts_module.socket, "getfqdn", lambda: release.wait(5) and "late.example")
    try:
        assert collect()["fqdn"] == socket.gethostname()
    finally:
        release.set()


def test_lookup_is_flat() -> None:
    found = lookup({"os": {"name": "Debian", "deep": {"er": 1}}, "cpus": 2}, {"group": "web.dev"})
    assert found == {
        "os": {"name": "Debian", "deep": {"er": 1}},
        "os.name": "Debian",
        "os.deep": {"er": 1},
        "os.deep.er": 1,
        "cpus": 2,
        "label.group": "web.dev",
    }


def test_the_primary_interface_has_a_name() -> None:
    found = lookup(collect())
    assert {"interface.primary", "address.primary", "os.family"} <= set(found)
    assert found["interface.primary"] == "" or found["interface.primary"] in found["interfaces"]


def test_without_a_route_the_first_real_interface_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(facts_module.socket, "socket", unreachable)
    addresses = {"lo": ["127.0.0.1"], "down0": [], "eth1": ["192.0.2.5"]}
    monkeypatch.setattr(facts_module, "network_addresses", lambda: addresses)
    found = collect()
    assert (found["interface"], found["address"]) == ({"primary": "eth1"}, {"primary": "192.0.2.5"})
    assert found["addresses"] == ["192.0.2.5"]


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
    found = resolve_facts(data, FACTS)
    assert found == expected
    assert type(found) is type(expected)


def test_values_are_not_searched_again() -> None:
    assert resolve_facts("@fact.a", {"a": "@fact.b", "b": "c"}) == "@fact.b"
    assert resolve_facts("<@fact.a>", {"a": "@fact.b", "b": "c"}) == "<@fact.b>"


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
        resolve_facts(data, FACTS)


def test_references_are_seen_anywhere_but_in_keys() -> None:
    assert has_reference({"a": [{"b": "x @fact.y"}]})
    assert has_reference({"a": "x@@fact.y"})
    assert not has_reference({"a": "press@fact.org"})
    assert not has_reference({"@fact.a": ["b", 1, None]})
