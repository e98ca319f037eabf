"""Durations as people write them."""

from __future__ import annotations

import re

#: Seconds of each unit.
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SHOWN = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000))


def parse_duration(text: str) -> float:
    """Seconds of ``"90"``, ``"1.5s"``, ``"500ms"``, ``"1h30m"``, ``"2d"``; raises ``ValueError``."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write seconds, or 500ms, 90s, 5m, 1h30m, 2d.")
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))


def show_duration(micros: int) -> str:
    """The exact duration, as ``parse_duration`` reads it: ``"1h30m"``, ``"2d"``, ``"0s"``."""
    parts = []
    for unit, length in _SHOWN:
        number, micros = divmod(micros, length)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
