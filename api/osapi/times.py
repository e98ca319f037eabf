"""Durations as OSAPI shows them."""

from __future__ import annotations


def uptime_text(seconds: int) -> str:
    """``"3 days, 2 hours, 5 minutes"``."""
    minutes = max(0, seconds) // 60
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "day"), (hours, "hour"), (minutes, "minute"))
    return ", ".join(f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts)
