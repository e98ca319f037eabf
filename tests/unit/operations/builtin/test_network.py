"""network.ping.do and network.dns.get, against sockets and a name server of our own."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from marshmallow import ValidationError

from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed
from jobqueue.operations.builtin import ping as ping_module
from jobqueue.operations.builtin.network import DnsSchema, PingSchema
from jobqueue.operations.context import Context
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

PING, DNS = "network.ping.do", "network.dns.get"


class FakeIcmp:
    """An ICMP socket whose other end answers at once, or not at all."""

    type = socket.SOCK_DGRAM

    def __init__(self, answers: bool = True) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._answers = answers
        self.sent: list[bytes] = []

    def sendto(self, packet: bytes, address: tuple[str, int]) -> None:
        self.sent.append(packet)
        if self._answers:
            self._far.send(b"noise of another program")
            self._far.send(b"\0" + packet[1:])  # type 0: echo reply

    def recv(self, size: int) -> bytes:
        return self._near.recv(size)

    def fileno(self) -> int:
        return self._near.fileno()

    def __enter__(self) -> FakeIcmp:
        return self

    def __exit__(self, *_: object) -> None:
        self._near.close()
        self._far.close()


def test_answers_are_timed(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeIcmp()
    monkeypatch.setattr(ping_module, "_open", lambda family: fake)
    monkeypatch.setattr(ping_module, "_INTERVAL_SECONDS", 0.0)
    data = perform(PING, {"address": "127.0.0.1", "count": 2, "timeout": 10}).data
    assert (data["ip"], data["packets_sent"], data["packets_received"], data["packet_loss"]) == ("127.0.0.1", 2, 2, 0)
    assert 0 <= data["min_rtt_ms"] <= data["avg_rtt_ms"] <= data["max_rtt_ms"] < 60_000
    kind, code, checksum, _, sequence = struct.unpack("!BBHHH", fake.sent[1][:8])
    assert (kind, code, sequence) == (8, 0, 2)
    words = struct.unpack(f"!{len(fake.sent[1]) // 2}H", fake.sent[1])
    assert checksum
    assert sum(words) % 0xFFFF == 0  # the Internet checksum over the whole packet is right


def test_silence_is_a_result(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping_module, "_open", lambda family: FakeIcmp(answers=False))
    data = perform(PING, {"address": "127.0.0.1", "count": 1, "timeout": 0.1}).data
    assert (data["packets_received"], data["packet_loss"], data["avg_rtt_ms"]) == (0, 100, None)


def test_waiting_for_an_answer_can_be_cancelled(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping_module, "_open", lambda family: FakeIcmp(answers=False))
    cancelled = threading.Event()
    threading.Timer(0.05, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(OperationCancelled):
        perform(PING, {"address": "127.0.0.1", "timeout": 10}, cancelled=cancelled)
    assert time.monotonic() - started < 5  # of the ten that it may take


def _may_not(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_without_sockets_the_program_is_used(perform: Perform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ping"
    program.write_text(
        "#!/bin/sh\n"
        'echo "PING $*"\n'
        'echo "64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.045 ms"\n'
        'echo "64 bytes from 127.0.0.1: seq=3 ttl=64 time<1 ms"\n'
        "exit 0\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ping_module.socket, "socket", _may_not)
    data = perform(PING, {"address": "127.0.0.1", "count": 3}).data
    assert (data["packets_sent"], data["packets_received"], data["min_rtt_ms"], data["max_rtt_ms"]) == (3, 2, 0.045, 1)


def test_without_any_means_it_fails_clearly(perform: Perform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ping_module.socket, "socket", _may_not)
    with pytest.raises(OperationFailed, match="no ICMP socket is allowed"):
        perform(PING, {"address": "127.0.0.1"})


def test_a_name_without_an_address_fails(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(ping_module.socket, "getaddrinfo", unknown)
    with pytest.raises(OperationFailed, match=r"The name nowhere\.invalid has no address: Name or service not known"):
        perform(PING, {"address": "nowhere.invalid"})


@pytest.mark.parametrize("address", ["", "-c", "a b", "a;b", "$(x)", "a\n", "x" * 300, 5, None])
def test_bad_addresses_are_refused(registry: Registry, address: Any) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate(PING, {"address": address})
    assert list(caught.value.details or ()) == ["address"]


@pytest.mark.parametrize(
    "address", ["localhost", "a-b.example.com", "10.0.0.1", "::1", "::", "fe80::1", "fd00::", "_srv._tcp.x"]
)
def test_good_addresses_pass(registry: Registry, address: str) -> None:
    assert registry.validate(PING, {"address": address}) == {"address": address}


def _reply(query: dns.message.Message) -> dns.message.Message | None:
    question = query.question[0]
    name, kind = question.name.to_text(), question.rdtype.name
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    if name == "missing.test.":
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif name == "broken.test.":
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif name == "silent.test.":
        return None
    else:
        held = {
            ("web.test.", "A"): ["192.0.2.10", "192.0.2.11"],
            ("web.test.", "MX"): ["10 mail.test."],
            ("1.2.0.192.in-addr.arpa.", "PTR"): ["web.test."],
        }.get((name, kind))
        if held:
            reply.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *held))
    return reply


@pytest.fixture(scope="module")
def name_server() -> Iterator[int]:
    """A name server on loopback that knows a few names; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, client = server.recvfrom(4096)
                if wire == b"stop":
                    return
                reply = _reply(dns.message.from_wire(wire))
                if reply is not None:
                    server.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"stop", server.getsockname())
        thread.join()


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("web.test", "A", ["192.0.2.10", "192.0.2.11"]),
        ("web.test", "MX", ["10 mail.test."]),
        ("web.test", "AAAA", []),
        ("192.0.2.1", "PTR", ["web.test."]),
    ],
)
def test_records(perform: Perform, name_server: int, name: str, kind: str, values: list[str]) -> None:
    data = perform(DNS, {"name": name, "type": kind, "server": "127.0.0.1", "port": name_server, "timeout": 60.0}).data
    assert sorted(record["value"] for record in data["records"]) == values
    assert all(record["ttl"] == 300 for record in data["records"])
    assert (data["name"], data["type"]) == (name, kind)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.test", r"The name missing\.test does not exist\."),
        ("broken.test", r"The look-up of broken\.test failed"),
        ("silent.test", r"No name server answered for silent\.test within 0\.1s\."),
        ("a..b", r"The look-up of a\.\.b failed"),
    ],
)
def test_look_ups_that_fail(perform: Perform, name_server: int, name: str, message: str) -> None:
    timeout = 0.1 if name == "silent.test" else 60.0
    with pytest.raises(OperationFailed, match=message):
        perform(DNS, {"name": name, "server": "127.0.0.1", "port": name_server, "timeout": timeout})


def test_the_hosts_own_configuration(perform: Perform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import dns.resolver

    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.53\nsearch corp.test test\n")
    original = dns.resolver.Resolver
    monkeypatch.setattr(dns.resolver, "Resolver", lambda configure: original(str(conf), configure))
    data = perform(DNS).data
    assert data == {"servers": ["192.0.2.53"], "search_domains": ["corp.test", "test"]}


@pytest.mark.parametrize(
    "data",
    [
        {"server": "not an address"},
        {"type": "ANY"},
        {"port": 0},
        {"timeout": 0},
        {"name": "-x"},
        {"name": ""},
        {"x": 1},
    ],
)
def test_bad_data_for_look_ups(registry: Registry, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate(DNS, data)
    assert list(caught.value.details or ()) == list(data)


def test_the_deadline_bounds_a_look_up(registry: Registry, name_server: int) -> None:
    data = registry.get(DNS).load({"name": "silent.test", "server": "127.0.0.1", "port": name_server, "timeout": 60})
    started = time.monotonic()
    with pytest.raises(OperationFailed):
        registry.get(DNS)(data, Context("web1", deadline=started + 0.1, timeout_seconds=0.1))
    assert time.monotonic() - started < 20  # of the sixty that it may take


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
    ],
)
def test_names_beyond_ascii(name: str, asked: str) -> None:
    """As IDNA 2008 has them; the values are those of RFC 5891 and of the registries."""
    assert DnsSchema().load({"name": name})["name"] == asked
    assert PingSchema().load({"address": name})["address"] == asked


@pytest.mark.parametrize("name", ["-ü.de", "ü..de", "ü" * 70, "ü de"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValidationError):
        DnsSchema().load({"name": name})
