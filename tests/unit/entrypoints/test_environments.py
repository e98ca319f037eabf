"""Environments: built once, shared, bounded, never used half built. Real uv, wheels made here, no network."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.entrypoints.environments import Environments
from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.entrypoints.setup import Setup
from jobqueue.entrypoints.uv import Uv
from jobqueue.errors import OperationCancelled, OperationFailed, OperationTimedOut
from tests.unit.entrypoints.archives import make_wheel
from tests.unit.entrypoints.conftest import Run
from tests.unit.entrypoints.waiting import until

GIGABYTE = 1024**3
MakeRun = Callable[..., Run]


def _recipe(*lines: str, options: tuple[str, ...] = (), check: bool = False) -> Recipe:
    return Recipe.of(Requirements(lines, options, check), None, {})


def _open(folder: Path, recipe: Recipe, run: Run, seconds: float | None = 100.0, max_bytes: int = GIGABYTE) -> Any:
    return Environments(folder, max_bytes).open(recipe, Setup(run.context, seconds), Uv(os.environ))


def _count_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    built: list[str] = []
    real = Uv.build

    def build(self: Uv, recipe: Recipe, *rest: Any) -> None:
        built.append(recipe.key)
        real(self, recipe, *rest)

    monkeypatch.setattr(Uv, "build", build)
    return built


def test_built_once_isolated_and_used_again(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    built = _count_builds(monkeypatch)
    recipe, run = _recipe(str(make_wheel(tmp_path)), check=True), make_run()
    for _ in range(2):
        with _open(tmp_path / "e", recipe, run) as environment:
            code = "import sys, tiny\nprint(tiny.X, sys.prefix)\nimport jobqueue"
            done = subprocess.run([environment.bin / "python", "-c", code], capture_output=True, text=True, cwd="/")
            assert done.stdout == f"5 {environment.path}\n"
            assert "No module named 'jobqueue'" in done.stderr
    assert built == [recipe.key]
    assert "+ tiny==1.0" in run.said()
    left = sorted(path.name for path in (tmp_path / "e" / recipe.key).iterdir())
    assert left == ["done.json", "requirements.txt", "venv"]
    assert json.loads((tmp_path / "e" / recipe.key / "done.json").read_text())["size"] > 10_000


def test_concurrent_runs_build_it_once(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    built = _count_builds(monkeypatch)
    recipe = _recipe(str(make_wheel(tmp_path)))
    seen: list[Path] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with _open(tmp_path / "e", recipe, make_run()) as environment:
                assert (environment.bin / "python").exists()
                seen.append(environment.path)
        except BaseException as error:  # noqa: BLE001 (shown by the test)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert errors == []
    assert len(seen) == 6
    assert built == [recipe.key]


def _build_in_a_process(folder: str, wheel: str, marker: str) -> None:
    """What another agent of the host does."""
    from jobqueue.operations.context import Context

    setup = Setup(Context("other"), 100.0)
    with Environments(Path(folder), GIGABYTE).open(_recipe(wheel), setup, Uv(os.environ)) as environment:
        Path(marker).write_text(str(environment.path))


def test_several_agents_share_them(tmp_path: Path) -> None:
    wheel, folder = make_wheel(tmp_path), tmp_path / "e"
    context = multiprocessing.get_context("spawn")
    markers = [tmp_path / f"marker{number}" for number in range(3)]
    agents = [context.Process(target=_build_in_a_process, args=(str(folder), str(wheel), str(m))) for m in markers]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join(100)
    assert [agent.exitcode for agent in agents] == [0, 0, 0]
    assert len({marker.read_text() for marker in markers}) == 1
    assert len(list(folder.glob("*/done.json"))) == 1


def test_a_failed_set_up_says_what_uv_said_and_leaves_nothing(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    recipe = _recipe("no-such-package==1", options=("--no-index",))
    with pytest.raises(OperationFailed, match="no-such-package") as caught, _open(tmp_path / "e", recipe, run):
        pytest.fail("it was built")
    details = caught.value.details or {}
    assert details["error_type"] == "setup_failed"
    assert "could not be installed (uv exited with" in caught.value.message
    assert caught.value.message.endswith("\nNo matching distribution found for no-such-package")  # as pip says it
    assert "no-such-package" in run.said()
    assert not (tmp_path / "e" / recipe.key).exists()


def test_packages_that_do_not_fit_together(tmp_path: Path, make_run: MakeRun) -> None:
    wheel = make_wheel(tmp_path, needs="missing-thing>=1")
    recipe = _recipe(str(wheel), options=("--no-deps",), check=True)
    with (
        pytest.raises(OperationFailed, match=r"(?s)are incompatible.*missing-thing"),
        _open(tmp_path / "e", recipe, make_run()),
    ):
        pytest.fail("it was built")


def test_uv_trusts_the_agents_configured_certificates(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.write_text('#!/bin/sh\necho "trusts $SSL_CERT_FILE $SSL_CERT_DIR; $NETRC; $OTHER" >&2\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setattr("jobqueue.entrypoints.uv.find_uv", lambda: str(program))
    variables = {
        "SSL_CERT_FILE": "/of/ours.pem",
        "SSL_CERT_DIR": "/certs",
        "NETRC": "/netrc",
        "OTHER": "no",
        "PIP_CERT": "/pip",
    }
    for more in ({}, {"UV_INDEX_URL": "https://uv/s"}):
        environments = Environments(tmp_path / "e", GIGABYTE)
        with pytest.raises(OperationFailed, match=r"trusts /of/ours\.pem /certs; /netrc;$"):
            environments.open(_recipe("tiny"), Setup(make_run().context, 100.0), Uv({**variables, **more})).__enter__()


def test_those_who_wait_share_the_failure(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = _recipe("no-such-package==1", options=("--no-index",))
    go = threading.Event()
    built = _count_builds(monkeypatch)
    counting = Uv.build

    def slowly(self: Uv, *rest: Any) -> None:
        go.wait(100)
        counting(self, *rest)

    monkeypatch.setattr(Uv, "build", slowly)
    messages: list[str] = []
    runs = [make_run() for _ in range(4)]

    def work(run: Run) -> None:
        with pytest.raises(OperationFailed) as caught, _open(tmp_path / "e", recipe, run):
            pytest.fail("it was built")
        messages.append(caught.value.message)

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    until(lambda: sum("Waiting for" in run.said() for run in runs) == 3, "three wait for the one that builds")
    go.set()
    for thread in threads:
        thread.join(100)
    assert built == [recipe.key]
    assert len(messages) == 4
    assert len(set(messages)) == 1
    assert all("no-such-package" in run.said() for run in runs)
    with pytest.raises(OperationFailed), _open(tmp_path / "e", recipe, make_run()):
        pytest.fail("it was built")
    assert len(built) == 2  # who comes later tries again


def _slow_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that says where it is and then takes very long."""
    program, started = tmp_path / "uv", tmp_path / "started"
    program.write_text(f"#!/bin/sh\necho $$ > {started}.new && mv {started}.new {started}\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr("jobqueue.entrypoints.uv.find_uv", lambda: str(program))
    return started


def test_a_cancel_kills_uv(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    started = _slow_uv(tmp_path, monkeypatch)
    run, recipe = make_run(), _recipe("tiny")
    ended: list[str] = []

    def work() -> None:
        try:
            with _open(tmp_path / "e", recipe, run):
                ended.append("built")
        except OperationCancelled:
            ended.append("cancelled")

    thread = threading.Thread(target=work)
    thread.start()
    until(started.exists, "uv runs")
    run.context.cancelled.set()
    thread.join(60)
    assert ended == ["cancelled"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert not (tmp_path / "e" / recipe.key).exists()


def test_the_set_ups_limit(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    _slow_uv(tmp_path, monkeypatch)
    complaint = r"exceeded its limit \(setup_timeout_seconds\) of 0\.3 s"
    opened = _open(tmp_path / "e", _recipe("tiny"), make_run(), seconds=0.3)
    with pytest.raises(OperationFailed, match=complaint) as caught, opened:
        pytest.fail("it was built")
    assert not isinstance(caught.value, OperationTimedOut)
    assert (caught.value.details or {})["error_type"] == "setup_failed"


def test_the_jobs_own_deadline_is_a_timeout(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    _slow_uv(tmp_path, monkeypatch)
    run = make_run(deadline=time.monotonic() + 0.3, timeout_seconds=0.3)
    with pytest.raises(OperationTimedOut), _open(tmp_path / "e", _recipe("tiny"), run):
        pytest.fail("it was built")


def test_what_a_killed_agent_half_built_is_never_used(tmp_path: Path, make_run: MakeRun) -> None:
    recipe = _recipe(str(make_wheel(tmp_path)))
    half = tmp_path / "e" / recipe.key
    (half / "venv" / "bin").mkdir(parents=True)
    (half / "venv" / "bin" / "python").symlink_to("/bin/true")
    (half / "venv" / "rubbish").touch()
    with _open(tmp_path / "e", recipe, make_run()) as environment:
        assert not (environment.path / "rubbish").exists()
        assert (environment.bin / "python").resolve().name.startswith("python")


def test_an_environment_whose_interpreter_is_gone_is_built_again(tmp_path: Path, make_run: MakeRun) -> None:
    recipe = _recipe(str(make_wheel(tmp_path)))
    with _open(tmp_path / "e", recipe, make_run()) as environment:
        python = environment.bin / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    with _open(tmp_path / "e", recipe, make_run()) as environment:
        assert (environment.bin / "python").exists()


def test_what_was_not_used_for_longest_goes_first_but_not_what_is_in_use(tmp_path: Path, make_run: MakeRun) -> None:
    recipes = [_recipe(str(make_wheel(tmp_path, name=name))) for name in ("one", "two", "three")]
    folder = tmp_path / "e"
    done = [folder / recipe.key / "done.json" for recipe in recipes]
    with _open(folder, recipes[0], make_run()):
        with _open(folder, recipes[1], make_run()):
            pass
        size = json.loads(done[1].read_text())["size"]
        os.utime(done[0], (1, 1))  # the oldest, but in use
        os.utime(done[1], (2, 2))
        with _open(folder, recipes[2], make_run(), max_bytes=int(size * 2.5)):
            assert [path.exists() for path in done] == [True, False, True]
    # used once more, so that the third is now the one that was not used for longest
    os.utime(done[2], (3, 3))
    with _open(folder, recipes[0], make_run()):
        pass
    assert Environments(folder, int(size * 1.5)).evict() <= size * 1.5
    assert [path.exists() for path in done] == [True, False, False]
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".lock"]


def test_one_that_is_too_large_goes_when_it_is_not_used_any_more(tmp_path: Path, make_run: MakeRun) -> None:
    with _open(tmp_path / "e", _recipe(str(make_wheel(tmp_path))), make_run(), max_bytes=10) as environment:
        assert (environment.bin / "python").exists()
    assert list((tmp_path / "e").iterdir()) == []


def test_a_process_that_outlives_its_agent_keeps_its_environment(tmp_path: Path, make_run: MakeRun) -> None:
    recipe = _recipe(str(make_wheel(tmp_path)))
    with _open(tmp_path / "e", recipe, make_run()) as environment:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[environment.fd])
    try:
        assert Environments(tmp_path / "e", 0).evict() > 0
        assert environment.path.exists()
    finally:
        child.communicate(timeout=60)
    assert Environments(tmp_path / "e", 0).evict() == 0
    assert not environment.path.exists()


def test_a_folder_of_wheels_by_pips_own_setting(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, name="found")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with _open(tmp_path / "e", _recipe("found"), make_run()) as environment:
        assert list(environment.path.glob("lib/python*/site-packages/found.py"))
