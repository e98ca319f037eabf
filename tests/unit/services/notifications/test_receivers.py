"""Webhooks reach no service inside, however its address is written."""

from __future__ import annotations

import pytest

from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.receivers import Receivers, resolve

INSIDE = [
    "0.0.0.0",  # noqa: S104 - not bound to
    *("127.0.0.1", "127.8.9.1", "::1", "::", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
    *("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"),
    *("100.100.100.200", "168.63.129.16", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fc00::1", "224.0.0.1", "ff02::1"),
    *("255.255.255.255", "192.0.2.1", "2001:db8::1"),
]


def receivers(*addresses: str, allowed: tuple[str, ...] = ()) -> Receivers:
    return Receivers(allowed, lambda _host, _port: list(addresses))


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused(address: str) -> None:
    with pytest.raises(DeliveryFailed, match="JOBQUEUE_NOTIFICATION_HOSTS"):
        receivers(address).find("hooks.example.org", 443)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses(address: str) -> None:
    found = receivers(address).find("hooks.example.org", 443)
    assert (found.address, found.is_allowed) == (address, False)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "permitted"),
    [
        ("10.1.0.0/16", "hook", "10.1.2.3", True),
        ("10.1.0.0/16", "hook", "10.2.2.3", False),
        ("10.1.2.3", "hook", "10.1.2.3", True),
        ("fd00::/8", "hook", "fd00::1", True),
        ("hook", "HOOK.", "127.0.0.1", True),
        ("hook", "hook.evil.example", "127.0.0.1", False),
        ("*.intern", "a.b.intern", "127.0.0.1", True),
        ("*.intern", "intern", "127.0.0.1", False),
        ("*", "anything", "169.254.169.254", True),
    ],
)
def test_what_the_setting_allows(allowed: str, host: str, address: str, permitted: bool) -> None:
    found = receivers(address, allowed=(allowed,))
    if permitted:
        assert found.find(host, 80).is_allowed
    else:
        with pytest.raises(DeliveryFailed):
            found.find(host, 80)


def test_of_several_addresses_only_a_permitted_one_is_used() -> None:
    assert receivers("127.0.0.1", "93.184.215.14").find("hooks.example.org", 443).address == "93.184.215.14"


def test_a_host_without_an_address() -> None:
    def fails(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(DeliveryFailed, match="has no address: Name or service not known"):
        Receivers((), fails).find("nowhere.example", 443)
    with pytest.raises(DeliveryFailed, match="has no address"):
        Receivers((), resolve).find("x" * 64 + ".example", 443)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", *INSIDE])
def test_an_address_inside_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(DeliveryFailed, match="JOBQUEUE_NOTIFICATION_HOSTS allows hosts"):
        receivers("127.0.0.1" if host.lower().rstrip(".").endswith("localhost") else host).check(host, is_plain=False)


@pytest.mark.parametrize(
    ("allowed", "host", "is_plain", "permitted"),
    [
        ((), "hooks.example.org", False, True),
        ((), "hooks.example.org", True, False),
        (("hooks.example.org",), "hooks.example.org", True, True),
        (("other.example.org",), "hooks.example.org", True, False),
        (("10.0.0.0/8",), "hooks.example.org", True, True),  # it may have an address there
        (("127.0.0.1",), "127.0.0.1", True, True),
        (("localhost",), "localhost", True, True),
    ],
)
def test_no_name_is_looked_up_beforehand(allowed: tuple[str, ...], host: str, is_plain: bool, permitted: bool) -> None:
    def look_up(name: str, _port: int) -> list[str]:
        assert name in {"127.0.0.1", "localhost"}
        return ["127.0.0.1"]

    found = Receivers(allowed, look_up)
    if permitted:
        found.check(host, is_plain=is_plain)
    else:
        with pytest.raises(DeliveryFailed, match="must be https"):
            found.check(host, is_plain=is_plain)


@pytest.mark.parametrize("name", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1"])
def test_other_spellings_of_loopback(name: str) -> None:
    with pytest.raises(DeliveryFailed):
        Receivers(()).find(name, 80)
