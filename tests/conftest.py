"""What every test has: no settings of the developer's own shell, and randomness that can be repeated."""

from __future__ import annotations

import os
import random
import signal
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests import closing
from tests.fake_sha1 import give_sha1hex
from tests.parallel import (
    pytest_collection_modifyitems,
    pytest_report_to_serializable,
    pytest_sessionstart,
    pytest_terminal_summary,
    pytest_xdist_auto_num_workers,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_report_to_serializable",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "pytest_xdist_auto_num_workers",
]

SEED_NAME = "TEST_SEED"  # not JOBQUEUE_...: unknown names with that prefix are refused by the program under test
#: The longest test takes a quarter of it where nothing else runs; it shares a slow machine with others.
LIMIT_SECONDS = 400

settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(closing)


def _seed() -> int:
    return int(os.environ.get(SEED_NAME, "0"))


def pytest_report_header() -> str:
    return f"{SEED_NAME}={_seed()} (seeds every test's `rng` and the global random)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that hangs fails, and its fixtures still stop what they started. Chaos tests set their own time."""

    def too_long(*_: object) -> NoReturn:
        pytest.fail(f"did not end within {LIMIT_SECONDS} s")

    if item.get_closest_marker("chaos"):
        return (yield)
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT_SECONDS)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests and the processes they start see no JOBQUEUE_* name and no state directory of the person who runs them."""
    state_home: Path = tmp_path_factory.mktemp("xdg-state")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("JOBQUEUE_")]:
            patch.delenv(name)
        patch.setenv("XDG_STATE_HOME", str(state_home))
        yield


@pytest.fixture(scope="session", autouse=True)
def _fake_redis_has_sha1hex() -> Iterator[None]:
    """As every real one."""
    with pytest.MonkeyPatch.context() as patch:
        give_sha1hex(patch)
        yield


@pytest.fixture(autouse=True)
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Randomness that depends only on TEST_SEED and the test's name, so that a failure can be repeated alone."""
    seed = _seed() ^ zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    return random.Random(seed)
