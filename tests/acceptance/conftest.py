"""The system that the acceptance tests share, and the means to start others that may be broken."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.plugins import install_example, install_own
from tests.acceptance.support.stack import ROOT, Stack

#: Starts a further stack; it is closed with the module that asked for it.
MakeStack = Callable[[Mapping[str, str]], Stack]
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.acceptance)


class Maker:
    """Makes stacks, and knows them: a report of a failure shows the logs of the newest."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.made: list[Stack] = []

    def __call__(self, environ: Mapping[str, str]) -> Stack:
        """A stack of which nothing is started yet."""
        stack = Stack(Path(tempfile.mkdtemp(prefix="s-", dir=self._home)), environ)
        self.made.append(stack)
        return stack

    def close(self) -> None:
        """Close all, also those behind one that leaves something."""
        with contextlib.ExitStack() as closing:
            for stack in self.made:
                closing.callback(stack.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for stack in [value] if isinstance(value, Stack) else value.made[-1:] if isinstance(value, Maker) else []:
                report.sections += [(f"log of {name}", text) for name, text in stack.log_tails().items()]
    return report


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A directory with a short name: a unix socket's path must not be long."""
    directory = Path(tempfile.mkdtemp(prefix="jqa-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def own_plugin(home: Path) -> Path:
    """Where the tests' plugin is installed."""
    install_own(home / "own")
    return home / "own"


@pytest.fixture(scope="session")
def example_plugin(home: Path) -> Path:
    """Where the example package is installed."""
    install_example(home / "example")
    return home / "example"


@pytest.fixture(scope="session")
def with_own_plugin(own_plugin: Path) -> dict[str, str]:
    """The environment of a stack that has the tests' plugin and may call its functions."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(own_plugin)]),
        "JOBQUEUE_PYTHON_MODULES": "acceptance_calls",
    }


@pytest.fixture(scope="session")
def stack(home: Path, own_plugin: Path, example_plugin: Path, with_own_plugin: dict[str, str]) -> Iterator[Stack]:
    """`jobqueue up` with three agents and all plugins. Tests neither break it nor leave agents in it."""
    path = os.pathsep.join([with_own_plugin["PYTHONPATH"], str(example_plugin)])
    running = Stack(home / "main", {**with_own_plugin, "PYTHONPATH": path})
    try:
        running.up()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def spare(home: Path, with_own_plugin: dict[str, str]) -> Iterator[Stack]:
    """`jobqueue up` with one agent and short leases, for tests that start further agents and break them."""
    # and yet longer than a busy machine keeps a process waiting: who was late would be taken for dead
    short = {"JOBQUEUE_LEASE_SECONDS": "5", "JOBQUEUE_HEARTBEAT_SECONDS": "1.5"}
    running = Stack(home / "spare", {**with_own_plugin, **short})
    try:
        running.up(agents=1)
        yield running
    finally:
        running.close()


@pytest.fixture
def api(stack: Stack) -> Api:
    return stack.api


@pytest.fixture(scope="module")
def make_stack(home: Path) -> Iterator[MakeStack]:
    """Makes stacks that this module may break. They are not started yet."""
    maker = Maker(home)
    yield maker
    maker.close()
