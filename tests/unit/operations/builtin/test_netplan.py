"""network.interface.*, network.route.* and network.dns.*: netplan's files, what is tested, and what is refused."""

from __future__ import annotations

import ipaddress
import json
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed, OperationNotSupported
from jobqueue.operations import interfaces, netplan, redis_path
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

INTERFACE, ROUTE, DNS = "network.interface", "network.route", "network.dns"
ETH1 = {"name": "eth1", "addresses": ["10.9.0.5/24"], "gateway4": "10.9.0.1", "mac_address": "52:54:00:12:34:56"}
ROUTES = [{"to": "10.8.0.0/16", "via": "10.9.0.1", "metric": 50}]
#: Redis at an address of documentation, which no test connects to.
REDIS = "192.0.2.10"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "netplan"
    folder.mkdir()
    (folder / "50-cloud-init.yaml").write_text("network: {version: 2}\n")
    monkeypatch.setattr(netplan, "_FOLDER", folder)
    return folder


@pytest.fixture
def tools(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    tools = Tools(tmp_path / "bin", monkeypatch)
    tools.add("netplan")
    return tools


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fields of a context: an agent that reaches Redis by eth1."""
    monkeypatch.setattr(redis_path, "_interface_to", lambda address: "eth1" if str(address) == REDIS else None)
    return {"settings": Settings(state_dir=tmp_path / "state", redis_url=f"redis://{REDIS}:6379/0")}


def ethernets(path: Path) -> Any:
    head, _, text = path.read_text().partition("\n")
    assert head == "# Written by jobqueue."
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(text)["network"]
    assert document.pop("version") == 2
    return document["ethernets"]


def test_an_interface(perform: Perform, tools: Tools, folder: Path) -> None:
    path = folder / "90-jobqueue-interface-eth1.yaml"
    with pytest.raises(OperationFailed, match=r"jobqueue has not configured eth1; network\.interface\.create does"):
        perform(f"{INTERFACE}.update", {"name": "eth1", "mtu": 1400})
    check = perform(f"{INTERFACE}.create", {**ETH1, "check": True})
    assert (check.data["would_change"], path.exists()) == (True, False)
    assert [call.split()[0] for call in tools.calls("netplan")] == ["generate"]
    assert perform(f"{INTERFACE}.create", ETH1).changed is True
    assert ethernets(path) == {
        "eth1": {
            "addresses": ["10.9.0.5/24"],
            "macaddress": "52:54:00:12:34:56",
            "routes": [{"to": "0.0.0.0/0", "via": "10.9.0.1"}],
        }
    }
    assert [call.split()[0] for call in tools.calls("netplan")] == ["generate", "generate", "apply"]
    assert perform(f"{INTERFACE}.create", ETH1).changed is False
    assert len(tools.calls("netplan")) == 3
    assert perform(f"{INTERFACE}.update", {"name": "eth1", "mtu": 1400, "gateway4": "10.9.0.2"}).changed is True
    assert ethernets(path)["eth1"]["addresses"] == ["10.9.0.5/24"]
    assert ethernets(path)["eth1"]["routes"] == [{"to": "0.0.0.0/0", "via": "10.9.0.2"}]
    assert perform(f"{INTERFACE}.delete", {"name": "eth1"}).changed is True
    assert perform(f"{INTERFACE}.delete", {"name": "eth1"}).changed is False
    assert [entry.name for entry in folder.iterdir()] == ["50-cloud-init.yaml"]


def test_netplan_tests_a_copy_of_all_its_files(perform: Perform, tools: Tools, folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin/netplan"
    program.write_text(f'#!/bin/sh\n[ "$1" = apply ] || ls "$3/etc/netplan" > {tmp_path}/seen\n')
    perform(f"{INTERFACE}.create", {"name": "eth1", "dhcp4": True})
    assert (tmp_path / "seen").read_text().split() == ["50-cloud-init.yaml", "90-jobqueue-interface-eth1.yaml"]


def test_what_netplan_refuses_is_not_put_in_place(perform: Perform, tools: Tools, folder: Path) -> None:
    tools.add("netplan", error="Error in network definition: eth1: updated definition changes device type", code=78)
    for check in (True, False):
        with pytest.raises(OperationFailed, match="updated definition changes device type"):
            perform(f"{INTERFACE}.create", {"name": "eth1", "dhcp4": True, "check": check})
    assert [entry.name for entry in folder.iterdir()] == ["50-cloud-init.yaml"]


def test_a_change_that_cannot_be_applied_is_taken_back(
    perform: Perform, tools: Tools, folder: Path, tmp_path: Path
) -> None:
    perform(f"{ROUTE}.create", {"interface": "eth1", "routes": ROUTES})
    (tmp_path / "bin/netplan").write_text('#!/bin/sh\n[ "$1" != apply ] || { echo no networkd >&2; exit 1; }\n')
    with pytest.raises(OperationFailed, match="no networkd"):
        perform(f"{ROUTE}.delete", {"interface": "eth1"})
    assert ethernets(folder / "90-jobqueue-route-eth1.yaml") == {"eth1": {"routes": ROUTES}}


def test_what_is_taken_back_is_applied(perform: Perform, tools: Tools, folder: Path, tmp_path: Path) -> None:
    perform(f"{ROUTE}.create", {"interface": "eth1", "routes": ROUTES})
    path, applied = folder / "90-jobqueue-route-eth1.yaml", tmp_path / "applied"
    # netplan that fails halfway: the kernel has the new state by then
    fails_without = f"[ -f {path} ] || {{ echo no networkd >&2; exit 1; }}"
    (tmp_path / "bin/netplan").write_text(
        f'#!/bin/sh\n[ "$1" = apply ] || exit 0\nls {folder} > {applied}\n{fails_without}\n'
    )
    with pytest.raises(OperationFailed, match="no networkd"):
        perform(f"{ROUTE}.delete", {"interface": "eth1"})
    assert path.name in applied.read_text().split()


def test_what_cannot_be_applied_after_it_was_taken_back_is_in_the_output(
    perform: Perform, tools: Tools, tmp_path: Path
) -> None:
    (tmp_path / "bin/netplan").write_text('#!/bin/sh\n[ "$1" != apply ] || { echo no networkd >&2; exit 1; }\n')
    printed: list[bytes] = []
    with pytest.raises(OperationFailed, match="no networkd"):
        perform(
            f"{ROUTE}.create",
            {"interface": "eth1", "routes": ROUTES},
            output=lambda stream, chunk: printed.append(chunk),
        )
    assert b"The files were restored, but netplan exited with code 1: no networkd\n" in b"".join(printed)


def test_a_change_that_is_cancelled_while_it_is_applied_is_taken_back(
    perform: Perform, tools: Tools, folder: Path, tmp_path: Path
) -> None:
    perform(f"{ROUTE}.create", {"interface": "eth1", "routes": ROUTES})
    applying, calls, cancelled = tmp_path / "applying", tmp_path / "calls", threading.Event()
    waits_once = f'[ "$1" != apply ] || [ -f {applying} ] || {{ : > {applying}; exec sleep 60; }}'
    (tmp_path / "bin/netplan").write_text(f'#!/bin/sh\necho "$1" >> {calls}\n{waits_once}\n')

    def cancel() -> None:
        until = time.monotonic() + 30
        while not applying.exists() and time.monotonic() < until:
            time.sleep(0.01)
        cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(OperationCancelled):
        perform(f"{ROUTE}.delete", {"interface": "eth1"}, cancelled=cancelled)
    thread.join()
    assert ethernets(folder / "90-jobqueue-route-eth1.yaml") == {"eth1": {"routes": ROUTES}}
    assert calls.read_text().split() == ["generate", "apply", "apply"]


def test_another_attempt_applies_what_a_lost_one_has_written(perform: Perform, tools: Tools) -> None:
    data = {"interface": "eth1", "routes": ROUTES}
    perform(f"{ROUTE}.create", data)
    assert perform(f"{ROUTE}.create", {**data, "check": True}, attempt=2).data["would_change"] is False
    assert tools.calls("netplan").count("apply") == 1
    assert perform(f"{ROUTE}.create", data, attempt=2).changed is False
    assert tools.calls("netplan").count("apply") == 2


def test_a_file_that_jobqueue_has_not_written_is_kept(perform: Perform, tools: Tools, folder: Path) -> None:
    path = folder / "90-jobqueue-dns-eth1.yaml"
    for text, words in (
        ("network: {}\n", "jobqueue did not write"),
        ("# Written by jobqueue.\nx", "changed by hand"),
    ):
        path.write_text(text)
        with pytest.raises(OperationFailed, match=words):
            perform(f"{DNS}.update", {"interface": "eth1", "servers": ["10.0.0.53"]})
        assert path.read_text() == text


def test_routes(perform: Perform, tools: Tools, folder: Path) -> None:
    data = {"interface": "eth1", "routes": ROUTES}
    with pytest.raises(OperationFailed, match="jobqueue has set no routes of eth1"):
        perform(f"{ROUTE}.update", data)
    assert perform(f"{ROUTE}.create", data).changed is True
    assert perform(f"{ROUTE}.create", data).changed is False
    other = [{"to": "10.7.0.0/16", "via": "10.9.0.1"}]
    assert perform(f"{ROUTE}.update", {**data, "routes": other}).changed is True
    assert ethernets(folder / "90-jobqueue-route-eth1.yaml") == {"eth1": {"routes": other}}
    assert perform(f"{ROUTE}.delete", {"interface": "eth1"}).changed is True
    assert perform(f"{ROUTE}.delete", {"interface": "eth1"}).changed is False


def test_name_servers(perform: Perform, tools: Tools, folder: Path) -> None:
    path, data = folder / "90-jobqueue-dns-eth1.yaml", {"interface": "eth1", "servers": ["10.0.0.53", "2001:db8::53"]}
    assert perform(f"{DNS}.update", data).changed is True
    assert perform(f"{DNS}.update", data).changed is False
    assert ethernets(path) == {"eth1": {"nameservers": {"addresses": ["10.0.0.53", "2001:db8::53"]}}}
    perform(f"{DNS}.update", {"interface": "eth1", "search_domains": ["example.org"], "override_dhcp": True})
    assert ethernets(path) == {
        "eth1": {
            "nameservers": {"addresses": ["10.0.0.53", "2001:db8::53"], "search": ["example.org"]},
            "dhcp4-overrides": {"use-dns": False},
            "dhcp6-overrides": {"use-dns": False},
        }
    }
    assert perform(f"{DNS}.delete", {"interface": "eth1"}).changed is True
    assert perform(f"{DNS}.delete", {"interface": "eth1"}).changed is False


def test_the_way_to_redis_is_changed_by_force_only(
    perform: Perform, tools: Tools, folder: Path, agent: dict[str, Any]
) -> None:
    for check in (True, False):
        with pytest.raises(OperationFailed, match="This agent reaches Redis by the interface eth1; force: true"):
            perform(f"{INTERFACE}.create", {**ETH1, "check": check}, **agent)
    for to in ("0.0.0.0/0", "192.0.2.0/24"):
        routes = [{"to": to, "via": "10.9.0.1"}]
        with pytest.raises(OperationFailed, match=f"This agent reaches Redis at {REDIS} by the route to {to}"):
            perform(f"{ROUTE}.create", {"interface": "eth0", "routes": routes}, **agent)
    assert tools.calls("netplan") == []
    assert perform(f"{INTERFACE}.create", {**ETH1, "name": "eth2"}, **agent).changed is True
    assert perform(f"{ROUTE}.create", {"interface": "eth1", "routes": ROUTES}, **agent).changed is True
    assert perform(f"{INTERFACE}.create", {**ETH1, "force": True}, **agent).changed is True
    assert perform(f"{INTERFACE}.create", ETH1, **agent).changed is False
    with pytest.raises(OperationFailed, match="reaches Redis by the interface eth1"):
        perform(f"{INTERFACE}.delete", {"name": "eth1"}, **agent)
    perform(f"{ROUTE}.create", {"interface": "eth0", "force": True, "routes": routes}, **agent)
    with pytest.raises(OperationFailed, match="reaches Redis at"):
        perform(f"{ROUTE}.delete", {"interface": "eth0"}, **agent)


def test_name_servers_by_which_the_agent_finds_redis(
    perform: Perform, tools: Tools, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = {"redis.example.org": REDIS, "here.example.org": "127.0.0.1", REDIS: REDIS}
    monkeypatch.setattr(redis_path, "_resolved", lambda host, port: [ipaddress.ip_address(resolved[host])])

    def agent_of(host: str) -> Settings:
        return Settings(state_dir=tmp_path / "state", redis_url=f"redis://{host}:6379/0")

    data, named = {"interface": "eth1", "servers": ["10.0.0.53"]}, agent_of("redis.example.org")
    for check in (True, False):
        with pytest.raises(OperationFailed, match=r"finds Redis by the name redis\.example\.org; force: true"):
            perform(f"{DNS}.update", {**data, "check": check}, settings=named)
    assert tools.calls("netplan") == []
    assert perform(f"{DNS}.update", {**data, "force": True}, settings=named).changed is True
    assert perform(f"{DNS}.update", data, settings=named).changed is False
    with pytest.raises(OperationFailed, match=r"finds Redis by the name redis\.example\.org"):
        perform(f"{DNS}.delete", {"interface": "eth1"}, settings=named)
    for host in (REDIS, "here.example.org"):
        other = {**data, "interface": f"eth{len(host)}"}
        assert perform(f"{DNS}.update", other, settings=agent_of(host)).changed is True


def test_the_way_to_a_redis_of_the_host(perform: Perform, tools: Tools, tmp_path: Path) -> None:
    for url in ("redis://127.0.0.1:6379/0", "unix:///run/redis.sock", "redis://no-such-host.invalid:6379/0"):
        settings = Settings(state_dir=tmp_path / "state", redis_url=url)
        data = {"interface": "eth0", "routes": [{"to": "0.0.0.0/0", "via": "10.9.0.1"}], "check": True}
        assert perform(f"{ROUTE}.create", data, settings=settings).data["would_change"] is True


def test_without_netplan(perform: Perform, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    calls: list[tuple[str, dict[str, Any]]] = [
        *((f"{INTERFACE}.{verb}", ETH1) for verb in ("create", "update")),
        *((f"{ROUTE}.{verb}", {"interface": "eth1", "routes": ROUTES}) for verb in ("create", "update")),
        (f"{INTERFACE}.delete", {"name": "eth1"}),
        (f"{ROUTE}.delete", {"interface": "eth1"}),
        (f"{DNS}.update", {"interface": "eth1", "servers": ["10.0.0.53"]}),
        (f"{DNS}.delete", {"interface": "eth1"}),
    ]
    for operation, data in calls:
        with pytest.raises(OperationNotSupported, match="This host has no netplan"):
            perform(operation, data)


def test_the_interfaces_of_this_machine(perform: Perform) -> None:
    (loopback,) = [one for one in perform(f"{INTERFACE}.list").data["interfaces"] if one["name"] == "lo"]
    assert perform(f"{INTERFACE}.get", {"name": "lo"}).data["interface"] == loopback
    assert (loopback["ipv4"], loopback["state"], loopback["primary"]) == ("127.0.0.1", "up", False)
    assert "127.0.0.1/8" in loopback["addresses"]
    with pytest.raises(OperationFailed, match="This host has no interface nosuch0"):
        perform(f"{INTERFACE}.get", {"name": "nosuch0"})
    with pytest.raises(OperationFailed, match="This host has no interface nosuch0"):
        perform(f"{ROUTE}.get", {"interface": "nosuch0"})


def test_the_routes_of_a_kernel(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of /proc/net/route and ipv6_route of a little-endian machine."""
    monkeypatch.setattr(interfaces, "_PROC", tmp_path)
    monkeypatch.setattr(interfaces, "_address_4", lambda text: ".".join(str(b) for b in bytes.fromhex(text)[::-1]))
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "eth0\t000000E0\t00000000\t0200\t0\t0\t0\t000000F0\t0\t0\t0\n"
    )
    zero = "0" * 32
    (tmp_path / "ipv6_route").write_text(
        f"{zero} 00 {zero} 00 fe80{'0' * 24}0001 00000400 00000001 00000000 00450003     eth0\n"
        f"20010db8{'0' * 24} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n"
        f"20010db8{'0' * 23}5 80 {zero} 00 {zero} 00000000 00000001 00000000 80200001     eth0\n"
    )
    assert [tuple(route.values()) for route in perform(f"{ROUTE}.list").data["routes"]] == [
        ("0.0.0.0/0", "192.168.2.1", "eth0", 100, "global"),
        ("192.168.2.0/24", "", "eth0", 100, "link"),
        ("2001:db8::/64", "", "eth0", 256, "link"),
        ("::/0", "fe80::1", "eth0", 1024, "global"),
    ]


@pytest.mark.parametrize(
    ("operation", "data", "field"),
    [
        (f"{INTERFACE}.create", {"name": "../x", "dhcp4": True}, "name"),
        (f"{INTERFACE}.create", {"name": "eth0\n", "dhcp4": True}, "name"),
        (f"{INTERFACE}.create", {"name": "a" * 16, "dhcp4": True}, "name"),
        (f"{INTERFACE}.create", {"name": "eth0"}, ""),
        (f"{INTERFACE}.create", {"name": "eth0", "addresses": ["10.0.0.5"]}, "addresses.0"),
        (f"{INTERFACE}.create", {"name": "eth0", "addresses": ["10.0.0.5/33"]}, "addresses.0"),
        (f"{INTERFACE}.create", {"name": "eth0", "gateway4": "::1"}, "gateway4"),
        (f"{INTERFACE}.create", {"name": "eth0", "gateway6": "10.0.0.1"}, "gateway6"),
        (f"{INTERFACE}.create", {"name": "eth0", "mtu": 67}, "mtu"),
        (f"{INTERFACE}.create", {"name": "eth0", "mac_address": "5254"}, "mac_address"),
        (f"{ROUTE}.create", {"interface": "eth0", "routes": []}, "routes"),
        (f"{ROUTE}.create", {"interface": "eth0", "routes": [{"to": "10.0.0.1/8", "via": "10.0.0.1"}]}, "routes.0.to"),
        (f"{ROUTE}.create", {"interface": "eth0", "routes": [{"to": "10.0.0.0/8", "via": "x"}]}, "routes.0.via"),
        (f"{ROUTE}.create", {"interface": "eth0", "routes": [{"to": "::/0", "via": "::1", "on": 1}]}, "routes.0.on"),
        (f"{DNS}.update", {"interface": "eth0"}, ""),
        (f"{DNS}.update", {"interface": "eth0", "servers": ["dns.example"]}, "servers.0"),
        (f"{DNS}.update", {"interface": "eth0", "search_domains": ["a b"]}, "search_domains.0"),
    ],
)
def test_bad_data(registry: Registry, operation: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as raised:
        registry.validate(operation, data)
    assert field in (raised.value.details or {})
