from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobqueue.cli.views.hostnames import fold


@pytest.mark.parametrize(
    ("hostnames", "folded"),
    [
        ([], ""),
        (["lb"], "lb"),
        (["web1"], "web1"),
        (["web2", "web1", "web3"], "web[1-3]"),
        (["web1", "web2", "web4", "web10"], "web[1-2,4,10]"),
        (["web9", "web10", "web11"], "web[9-11]"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n1", "n01"], "n[1,01]"),
        (["db1.eu2.example", "db2.eu2.example", "db1.us1.example"], "db1.us1.example, db[1-2].eu2.example"),
        (["r1n1a", "r1n2a", "lb"], "lb, r1n[1-2]a"),
        (["_any", "a" + "9" * 40], "_any, a" + "9" * 40),
    ],
)
def test_fold(hostnames: list[str], folded: str) -> None:
    assert fold(hostnames) == folded


def test_a_thousand() -> None:
    assert fold(f"host{number:04}.dc.example" for number in range(1000)) == "host[0000-0999].dc.example"


def unfold(text: str) -> set[str]:
    found = set()
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        match = re.fullmatch(r"(.*?)\[([^\]]*)\](.*)", part.strip())
        if match is None:
            found.add(part.strip())
            continue
        for piece in match[2].split(","):
            first, _, last = piece.partition("-")
            for number in range(int(first), int(last or first) + 1):
                found.add(f"{match[1]}{str(number).zfill(len(first))}{match[3]}")
    return found


_NAMES = st.builds(
    "".join, st.tuples(st.sampled_from(["a", "b1n"]), st.text("019", max_size=3), st.sampled_from(["", "b", ".x"]))
)


@settings(max_examples=50)
@given(st.sets(_NAMES, min_size=1, max_size=40))
def test_no_name_is_lost_or_made_up(hostnames: set[str]) -> None:
    assert unfold(fold(hostnames)) == hostnames
