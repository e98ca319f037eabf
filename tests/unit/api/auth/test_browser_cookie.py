"""Cookies in requests: as browsers send them, and as attackers do."""

from __future__ import annotations

import time

import pytest

from api.auth.browser_cookie import value_of


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("own=a.b-c_=", "a.b-c_="),
        ("other=1; own=a; more=2", "a"),
        # RFC 6265 (5.4): a browser sends the cookie of the longest path first
        ("own=under-the-path; own=of-the-host", "under-the-path"),
        # other applications of the same host, whose cookies browsers send too
        ('theme={"a": [1, 2]}; own=a', "a"),
        ("a b=c; own=a", "a"),
        ("key[0]=c; own=a", "a"),
        ("name=M\xc3\xbcller; own=a", "a"),
        ("flag; own=a", "a"),
        ("other=own", None),
        ("owner=a", None),
        ("", None),
    ],
)
def test_a_value(header: str, value: str | None) -> None:
    assert value_of({"HTTP_COOKIE": header}, "own") == value


@pytest.mark.parametrize(
    "header", ['own="' + r"\1" * 8_000 + '"', 'own="' + r"\"" * 8_000 + '"', ";" * 16_000 + "own", "own=b;" * 2_500]
)
def test_no_header_takes_long(header: str) -> None:
    """``http.cookies`` takes 2 s for the first of them (CVE-2024-7592); the server accepts headers of 16 KB."""
    began = time.process_time()
    value_of({"HTTP_COOKIE": header}, "own")
    assert time.process_time() - began < 0.3
