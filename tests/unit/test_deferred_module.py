"""A module that is executed when it is first used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from jobqueue.deferred_module import defer


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that imports a subpackage, whose execution is recorded and slow; its folder."""
    files = {
        "deferring/__init__.py": "from deferring import heavy\nfrom deferring.heavy.light import LIGHT\n",
        "deferring/heavy/__init__.py": """
            import time
            from pathlib import Path
            with open(Path(__file__).with_name("executions"), "a") as file:
                file.write("x")
            time.sleep(0.05)
            from deferring.heavy.inner import INNER
            VALUE = 1
        """,
        "deferring/heavy/inner.py": "from deferring.heavy import light\nINNER = light.LIGHT\n",
        "deferring/heavy/light.py": "LIGHT = 7\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "deferring"
    for name in [name for name in sys.modules if name.partition(".")[0] == "deferring"]:
        del sys.modules[name]


def _executions(package: Path) -> int:
    record = package / "heavy/executions"
    return len(record.read_text()) if record.exists() else 0


def test_it_is_executed_when_it_is_used_and_not_when_it_or_a_module_of_it_is_imported(package: Path) -> None:
    defer("deferring", "heavy")
    module = import_module("deferring")
    assert module.LIGHT == 7
    assert _executions(package) == 0
    assert module.heavy.VALUE == 1
    assert import_module("deferring.heavy").INNER == 7
    assert _executions(package) == 1


def test_threads_that_use_it_at_once_wait_for_its_execution(package: Path) -> None:
    defer("deferring", "heavy")
    heavy = import_module("deferring").heavy
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: heavy.VALUE, range(8))) == {1}
    assert _executions(package) == 1


def test_a_name_that_it_lacks_is_an_attribute_error(package: Path) -> None:
    defer("deferring", "heavy")
    heavy = import_module("deferring").heavy
    with pytest.raises(AttributeError, match=r"'deferring\.heavy' has no attribute 'nothing'"):
        heavy.nothing  # noqa: B018
    assert _executions(package) == 1


def test_a_failed_execution_is_repeated(package: Path) -> None:
    (package / "heavy/inner.py").write_text("raise OSError('not now')\n")
    defer("deferring", "heavy")
    heavy = import_module("deferring").heavy
    for _ in range(2):
        with pytest.raises(OSError, match="not now"):
            heavy.VALUE  # noqa: B018
    assert _executions(package) == 2


def test_what_was_imported_or_is_absent_is_left_alone(package: Path) -> None:
    defer("deferring", "nothing")
    defer("no_such_package", "heavy")
    assert "deferring.nothing" not in sys.modules
    assert "no_such_package.heavy" not in sys.modules
    heavy = import_module("deferring").heavy
    defer("deferring", "heavy")
    assert import_module("deferring.heavy") is heavy
    assert _executions(package) == 1


def test_the_asynchronous_client_of_redis_works_when_it_is_deferred() -> None:
    program = """
import asyncio, json, sys
from jobqueue.deferred_module import defer
defer("redis", "asyncio")
import kombu.transport.redis, redis
before = "redis.asyncio.client" in sys.modules
from redis.asyncio import Redis

async def refused():
    client = Redis(host="127.0.0.1", port=1, retry=None)
    try:
        await client.ping()
    except redis.ConnectionError as error:
        return type(error).__name__
    finally:
        await client.aclose()

print(json.dumps([before, redis.asyncio.Redis is Redis, asyncio.run(refused())]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(run.stdout) == [False, True, "ConnectionError"]
