"""Looks the installed dependencies up among known vulnerabilities (pip-audit); part of ``make check``.

Fails if a dependency of ours, direct or not, has one. What could not be looked up, because the index or its advisories
cannot be reached, is said loudly and does not fail: a check must also run where there is no network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

_SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"
_SECONDS = 300
#: How pip-audit, requests and urllib3 say that nobody answers.
_UNREACHABLE = re.compile(
    r"ConnectionError|ServiceError|Max retries|timed out|Timeout|getaddrinfo|resolution|SSLError|ProxyError|HTTPError"
)


def declared() -> list[Requirement]:
    """What setup.cfg asks for, with every extra."""
    config = ConfigParser()
    config.read(_SETUP, encoding="utf-8")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def needed(requirements: Iterable[Requirement]) -> set[str]:
    """The names of all packages that these need here, directly or not."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(_plain(one.name), frozenset(one.extras)) for one in requirements if _applies(one, ())]
    while waiting:
        name, extras = entry = waiting.pop()
        if entry in seen:
            continue
        try:
            lines = distribution(name).requires or ()
        except PackageNotFoundError:  # an extra that is not installed
            continue
        seen.add(entry)
        further = [one for one in map(Requirement, lines) if _applies(one, extras)]
        waiting += [(_plain(one.name), frozenset(one.extras)) for one in further]
    return {name for name, _ in seen}


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def judge(report: dict[str, Any], ours: set[str]) -> tuple[list[str], list[str], int]:
    """(vulnerabilities of ours, names that were not looked up, how many were)."""
    bad, unknown, looked_up = [], [], 0
    for entry in report["dependencies"]:
        name = _plain(entry["name"])
        if name not in ours:
            continue
        if "skip_reason" in entry:
            unknown.append(name)
            continue
        looked_up += 1
        for vulnerability in entry["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            bad.append(f"{name} {entry['version']}: {vulnerability['id']}, fixed in {fixed}")
    return bad, unknown, looked_up


def main() -> int:
    """The exit code: 1 for a vulnerability, or a pip-audit that fails by itself."""
    argv = [sys.executable, "-m", "pip_audit", "--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        _warn("the index did not answer in time")
        return 0
    try:
        report = json.loads(done.stdout)
    except ValueError:
        if done.returncode and _UNREACHABLE.search(done.stderr):
            _warn("the index cannot be reached")
            return 0
        sys.stderr.write(done.stderr)
        return 1
    bad, unknown, looked_up = judge(report, needed(declared()))
    if unknown:
        _warn(
            f"there are no advisories to be had for {len(unknown)} of {len(unknown) + looked_up}: {' '.join(unknown)}"
        )
    for line in bad:
        sys.stderr.write(f"VULNERABLE: {line}\n")
    sys.stdout.write(f"{looked_up} dependencies looked up, {len(bad)} known vulnerabilities\n")
    return 1 if bad else 0


def _warn(why: str) -> None:
    line = "*" * 100
    sys.stderr.write(f"{line}\nNOT AUDITED: {why}.\nRun `make audit` again where the index can be reached.\n{line}\n")


if __name__ == "__main__":
    sys.exit(main())
