"""Hooks for tests that several processes share (pytest-xdist); each of them, a worker, runs whole files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import suppress
from typing import NoReturn

import psutil
import pytest

#: Beginnings of node ids. Files that wait for processes stand among those that compute, so that both cores are busy;
#: a long one that came late would be the one that all others wait for.
SLOWEST_FIRST = (
    "tests/chaos/test_chaos.py",
    "tests/property/test_api.py",
    "tests/acceptance/redis/test_refusals.py",
    "tests/acceptance/redis/test_stop.py",
    "tests/acceptance/redis/test_outages.py",
    "tests/ledger/test_executions.py",
    "tests/acceptance/test_dashboard.py",
    "tests/acceptance/test_up_and_demo.py",
    "tests/property/test_rollouts.py",
    "tests/chaos/test_start_stop.py",
    "tests/acceptance/test_joining.py",
    "tests/acceptance/test_under_a_path.py",
    "tests/unit/aggregation/test_spark_equality.py",
    "tests/acceptance/redis/",
    "tests/acceptance/test_agent_death.py",
    "tests/ledger/test_pace.py",
    "tests/acceptance/test_external_broker.py",
    "tests/acceptance/test_documented_commands.py",
    "tests/acceptance/test_ray.py",
    "tests/property/",
    "tests/acceptance/",
    "tests/chaos/",
    "tests/ledger/",
)
_STOP_SECONDS = 90.0
_LOOK_SECONDS = 0.1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means. The slow tests wait most of the time, so that there may be more of them than cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, so that a short one is the last that all others wait for."""

    def place(item: pytest.Item) -> int:
        found = (n for n, start in enumerate(SLOWEST_FIRST) if item.nodeid.startswith(start))
        return next(found, len(SLOWEST_FIRST))

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded as ``totals``: what a worker prints is not shown."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, text in getattr(report, "user_properties", ()):
            if name == "totals" and report.when == "call":
                terminalreporter.write_line(f"\n{text}")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """What a test logged or failed with may be no UTF-8; its way to the process that shows it takes nothing else."""
    return _encodable((yield))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_encodable(item) for item in value)
    return value


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ctrl-C reaches every process, and the workers again by pytest-xdist, which kills them a few seconds later."""

    def interrupt_once(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, ignore)
        session.shouldstop = "interrupted"  # also when the clean-up of the test that runs fails
        raise KeyboardInterrupt

    def ignore(*_: object) -> None:
        """No SIG_IGN: what the clean-up starts would inherit it."""

    if hasattr(session.config, "workerinput"):
        signal.signal(signal.SIGINT, interrupt_once)
    elif session.config.getoption("dist", "no") != "no":
        session.config.pluginmanager.register(_Interruption())


class _Interruption:
    """Leaves the workers the time to end what their tests started."""

    def pytest_keyboard_interrupt(self) -> None:
        workers = psutil.Process().children()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(signal.SIGINT)
        end = time.monotonic() + _STOP_SECONDS
        while any(map(_has_children, workers)) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)


def _has_children(process: psutil.Process) -> bool:
    """Whether a child of it runs; zombies do not."""
    with suppress(psutil.NoSuchProcess):
        return any(child.status() != psutil.STATUS_ZOMBIE for child in process.children())
    return False
