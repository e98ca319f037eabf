"""What was measured, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobqueue.standalone.binary import find_redis_server

_PACKAGES = ("celery", "kombu", "redis", "hiredis", "flask", "gunicorn", "gevent", "flower")


@dataclass(frozen=True)
class Row:
    """One figure. ``ratio`` is ours against the peer's; ``least`` or ``most`` is the bound that it should keep."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None without a bound."""
        if self.ratio is None or (self.least is None and self.most is None):
            return None
        return (self.least is None or self.ratio >= self.least) and (self.most is None or self.ratio <= self.most)


class Report:
    """Collects rows and prints each as soon as it is known: a run takes minutes."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._started = time.monotonic()
        self._section = ""

    def section(self, name: str, title: str) -> None:
        self._section = name
        self.rows[name] = []
        print(f"\n{title}", flush=True)

    def say(self, text: str) -> None:
        """Progress."""
        print(f"  .. {text}", flush=True)

    def add(self, row: Row) -> None:
        self.rows[self._section].append(row)
        print(_line(row), flush=True)

    @property
    def missed(self) -> list[Row]:
        return [row for rows in self.rows.values() for row in rows if row.met is False]

    def table(self) -> str:
        """Every row, aligned."""
        lines = [_line(row) for rows in self.rows.values() for row in rows]
        return "\n".join([_columns("figure", "jobqueue", "peer", "ratio", "wanted", ""), *lines])

    def write(self, path: Path, scale: Any) -> None:
        document = {
            "machine": machine(),
            "seconds": round(time.monotonic() - self._started, 1),
            "scale": {name: str(value) if isinstance(value, Path) else value for name, value in asdict(scale).items()},
            "results": {
                name: [{**asdict(row), "wanted": row.wanted, "met": row.met} for row in rows]
                for name, rows in self.rows.items()
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n")


def median_ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median over the rounds of ours / peer's: a machine that slows down in one round slows both."""
    return statistics.median(a / b for a, b in zip(ours, peers, strict=True))


def per_second(values: Sequence[float]) -> str:
    """``"1,034/s"``, the median."""
    return f"{statistics.median(values):,.0f}/s"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(len(ordered) * percent / 100) - 1))]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "redis": find_redis_server().version_text,
        "commit": _commit(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # no Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    try:
        answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no checkout
        return ""
    return answer.stdout.strip()


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return _columns(row.what, row.ours, row.peer, ratio, row.wanted, {True: "ok", False: "MISSED", None: ""}[row.met])


def _columns(what: str, ours: str, peer: str, ratio: str, wanted: str, verdict: str) -> str:
    return f"  {what:<52} {ours:>16} {peer:>16} {ratio:>8} {wanted:>8} {verdict}".rstrip()
