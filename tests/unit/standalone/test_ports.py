"""Addresses to listen on."""

from __future__ import annotations

import pytest

from jobqueue.standalone.ports import parse_listen


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.10", ("192.0.2.10", 6379)),
        ("192.0.2.10:7000", ("192.0.2.10", 7000)),
        ("2001:db8::1", ("2001:db8::1", 6379)),
        ("[2001:db8::1]", ("2001:db8::1", 6379)),
        ("[2001:db8::1]:7000", ("2001:db8::1", 7000)),
    ],
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert parse_listen(text, 6379) == found


@pytest.mark.parametrize(
    "text",
    ["", "0.0.0.0", "::", "[::]:1", "web1", "192.0.2.10:", "192.0.2.10:0", "192.0.2.10:65536", "1.2.3.4:x", "["],  # noqa: S104
)
def test_addresses_that_name_no_single_interface(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address of this machine"):
        parse_listen(text, 6379)
