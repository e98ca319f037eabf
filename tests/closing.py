"""What is said below pytest's own last line: that tests were left out for want of a browser."""

from __future__ import annotations

import pytest

#: The two packages of Debian and Ubuntu that the tests of the dashboard need.
BROWSER = "apt-get install chromium chromium-driver"
_LEFT_OUT = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Count the tests that were skipped for want of a browser."""
    config.stash[_LEFT_OUT] = sum(BROWSER in _reason(report) for report in terminalreporter.getreports("skipped"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Called when all else is written."""
    count = config.stash.get(_LEFT_OUT, 0)
    if count:
        tests = "1 test" if count == 1 else f"{count} tests"
        print(f"{tests} of the dashboard did not run: there is no browser. On Debian and Ubuntu: {BROWSER}")  # noqa: T201


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
