"""Many hostnames in few words."""

from __future__ import annotations

import re
from collections.abc import Iterable

# the last number of a name's first label; nine digits bound the arithmetic
_NUMBERED = re.compile(r"([^.]*?)([0-9]{1,9})([^.0-9]*(?:\..*)?)", re.DOTALL)


def fold(hostnames: Iterable[str]) -> str:
    """``web1, web2, web3, db01.x, lb`` -> ``"db01.x, lb, web[1-3]"``. Leading zeros stay as they are written."""
    plain: list[str] = []
    families: dict[tuple[str, str], list[str]] = {}
    for hostname in set(hostnames):
        match = _NUMBERED.fullmatch(hostname)
        if match is None:
            plain.append(hostname)
        else:
            families.setdefault((match[1], match[3]), []).append(match[2])
    for (head, tail), numbers in families.items():
        ranges = _ranges(sorted(numbers, key=lambda digits: (int(digits), len(digits))))
        plain.append(f"{head}[{','.join(ranges)}]{tail}" if len(numbers) > 1 else f"{head}{ranges[0]}{tail}")
    return ", ".join(sorted(plain))


def _ranges(numbers: list[str]) -> list[str]:
    ranges: list[str] = []
    first = last = numbers[0]
    for number in [*numbers[1:], ""]:
        if number and number == str(int(last) + 1).zfill(len(last)):
            last = number
            continue
        ranges.append(first if first == last else f"{first}-{last}")
        first = last = number
    return ranges
