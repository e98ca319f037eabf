"""Facts: what is known of the host, and how it is filled into data."""

from __future__ import annotations

import json
import platform
import socket
import threading

import psutil
import pytest

from jobqueue.operations import facts as facts_module
from jobqueue.operations.facts import collect, lookup


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
