"""What an entrypoint finds around it: folders, modules, variables; and what is left of it afterwards."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.entrypoints import surroundings as surroundings_module
from jobqueue.entrypoints.spec import RuntimeEnv
from jobqueue.entrypoints.surroundings import Surroundings, surround
from jobqueue.errors import OperationCancelled, OperationFailed, OperationTimedOut
from jobqueue.settings import Settings
from tests.unit.entrypoints.archives import make_tar, make_wheel, make_zip, plain
from tests.unit.entrypoints.conftest import Run

MakeRun = Callable[..., Run]
NAME = "_ray_pkg_0123456789abcdef.zip"
OTHER = "_ray_pkg_fedcba9876543210.tar.gz"


def _surround(run: Run, raw: dict[str, Any], pins: dict[str, str] | None = None) -> Any:
    """``pins`` None: one for each package."""
    wanted = RuntimeEnv.parse(raw)
    if pins is None:
        pins = dict.fromkeys(wanted.packages, "ab" * 32)
    return surround(wanted, pins, run.context, run.settings)


def _runs(run: Run) -> list[Path]:
    return list((run.settings.cache_dir / "runs").iterdir())


def test_nothing_asked_for(make_run: MakeRun) -> None:
    run = make_run()
    with _surround(run, {}) as found:
        assert list(found.cwd.iterdir()) == []
        assert found.env["PYTHONUNBUFFERED"] == "1"
        assert found.env["PYTHONPATH"] == ""
        assert (Path(found.env["PATH"].split(os.pathsep)[0]) / "python").exists()
        assert len(_runs(run)) == 2
    assert _runs(run) == []
    assert run.reports == []  # nothing to set up, nothing to tell


def test_a_working_directory(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    run.packages.files[NAME] = make_zip(tmp_path / "sha", ("run.py", b"print(1)"), ("pkg/a.py", b""))
    with _surround(run, {"working_dir": f"gcs://{NAME}"}, {NAME: "ab" * 32}) as found:
        assert sorted(path.name for path in found.cwd.iterdir()) == ["pkg", "run.py"]
        assert found.env["PYTHONPATH"] == str(found.cwd)
        (found.cwd / "made-by-the-job").touch()
    assert run.packages.asked == [(NAME, "ab" * 32)]
    assert run.reports == [{"phase": "setting_up"}]
    assert not found.cwd.exists()
    assert _runs(run) == []


def test_a_package_without_a_digest_is_not_unpacked(tmp_path: Path, make_run: MakeRun) -> None:
    """An attacker in Redis could choose its content."""
    run = make_run()
    run.packages.files[NAME] = make_zip(tmp_path / "sha", ("run.py", b"print(1)"))
    with (
        pytest.raises(OperationFailed, match="lacks the checksum of the package"),
        _surround(run, {"working_dir": f"gcs://{NAME}"}, {}),
    ):
        pass
    assert run.packages.asked == []


def test_each_run_has_its_own_copy(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    run.packages.files[NAME] = make_zip(tmp_path / "sha", ("counter", b"0"))
    raw = {"working_dir": f"gcs://{NAME}"}
    with _surround(run, raw) as one, _surround(run, raw) as two:
        (one.cwd / "counter").write_text("1")
        assert (two.cwd / "counter").read_text() == "0"


def test_modules_of_every_kind(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    wheel = make_wheel(tmp_path)
    folder = tmp_path / "lib" / "here"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (tmp_path / "lib" / "beside.py").touch()
    run.packages.files = {OTHER: make_tar(tmp_path / OTHER, ("mod/__init__.py", b"", plain)), wheel.name: wheel}
    raw = {"py_modules": [f"gcs://{OTHER}", f"gcs://{wheel.name}", folder.as_uri()]}
    with _surround(run, raw) as found:
        first, second, third = map(Path, found.env["PYTHONPATH"].split(os.pathsep))
        assert (first / "mod" / "__init__.py").exists()
        assert (second / "tiny.py").exists()
        assert [path.name for path in third.iterdir()] == ["here"]  # and nothing of what lies beside it
        assert (third / "here" / "__init__.py").exists()
    assert (folder / "__init__.py").exists()


def test_a_zip_and_a_folder_on_the_host(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    archive = make_zip(tmp_path / "file.zip", ("run.py", b""))
    with _surround(run, {"working_dir": archive.as_uri()}) as found:
        assert (found.cwd / "run.py").exists()
    with _surround(run, {"working_dir": tmp_path.as_uri()}) as found:
        assert found.cwd == tmp_path  # used in place
    assert archive.exists()


def test_packages_in_an_environment(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    wheel = make_wheel(tmp_path)
    run.packages.files[NAME] = make_zip(tmp_path / "sha", (wheel.name, wheel.read_bytes()))
    pip = ["--no-index", f"${{RAY_RUNTIME_ENV_CREATE_WORKING_DIR}}/{wheel.name}"]
    raw = {"working_dir": f"gcs://{NAME}", "pip": {"packages": pip, "pip_check": True}}
    bins = []
    for _ in range(2):
        with _surround(run, raw) as found:
            first = Path(found.env["PATH"].split(os.pathsep)[0])
            assert found.env["VIRTUAL_ENV"] == str(first.parent)
            assert list(first.parent.glob("lib/python*/site-packages/tiny.py"))
            assert len(found.fds) == 2
            bins.append(first)
    assert bins[0] == bins[1]
    assert run.said().count("+ tiny==1.0") == 1


def test_a_missing_python_version_is_reported(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run()
    wheel = make_wheel(tmp_path)
    with _surround(run, {"pip": f"pip2.1 install --no-index {wheel} && pip2.1 check"}):
        pass
    assert "This host has no Python 2.1; the environment gets Python" in run.said()


def _env(make_run: MakeRun, variables: dict[str, str], **more: Any) -> Surroundings:
    with _surround(make_run(), {"env_vars": variables, **more}) as found:
        assert isinstance(found, Surroundings)
        return found


def test_variables_may_refer_to_what_is_inherited(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_KNOWN", "k")
    monkeypatch.setenv("CLOUD_KEY", "secret")  # it cannot be known which of the agent's variables are
    monkeypatch.setenv("JOBQUEUE_TOKEN", "secret")
    asked = {
        "A": "${LC_KNOWN}-$LC_KNOWN",
        "B": "${A}!",
        "C": "${UNKNOWN_NAME}.$UNKNOWN_NAME",
        "D": "${JOBQUEUE_TOKEN}${CLOUD_KEY}$",
        "PATH": "/mine:${PATH}",
        "PYTHONUNBUFFERED": "0",
    }
    env = _env(make_run, asked).env
    assert {name: env[name] for name in "ABCD"} == {"A": "k-k", "B": "k-k!", "C": ".$UNKNOWN_NAME", "D": "$"}
    assert env["PATH"].startswith(f"/mine:{Path(sys.executable).parent}")
    assert env["PYTHONUNBUFFERED"] == "0"
    assert "JOBQUEUE_TOKEN" not in env


def test_the_agents_python_path_is_not_the_jobs(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/agents/own")
    assert _env(make_run, {}).env["PYTHONPATH"] == ""
    assert _env(make_run, {"PYTHONPATH": "/x"}).env["PYTHONPATH"] == "/x"
    uri = tmp_path.as_uri()
    assert _env(make_run, {"PYTHONPATH": "/x"}, working_dir=uri).env["PYTHONPATH"] == f"{tmp_path}{os.pathsep}/x"
    asked = {"PYTHONPATH": "${PYTHONPATH}:/x"}
    assert _env(make_run, asked, working_dir=uri).env["PYTHONPATH"] == f"{tmp_path}:/x"


def test_a_python_where_the_agents_has_another_name(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "python3 here"
    own.write_text('#!/bin/sh\necho "own $@"\n')
    own.chmod(0o755)
    monkeypatch.setattr(surroundings_module.sys, "executable", str(own))
    run = make_run()
    with _surround(run, {}) as found:
        result = run.context.run(["sh", "-c", "python -V 'a b'"], env=found.env)
    assert result.stdout.text() == "own -V a b\n"


FAILURES: list[tuple[dict[str, Any], str]] = [
    ({"working_dir": f"gcs://{NAME}"}, "not known any more; upload it again"),
    ({"working_dir": "file:///nowhere/x.zip"}, "/nowhere/x.zip does not exist on this host"),
    ({"working_dir": "file:///dev/null"}, "/dev/null does not exist on this host, or is neither"),
    ({"py_modules": ["file:///etc/hostname"]}, "Not an archive"),
    ({"pip": ["--no-index", "no-such-package"]}, "no-such-package"),
    ({"pip": ["./missing.whl"]}, "no working directory"),
]


@pytest.mark.parametrize(("raw", "complaint"), FAILURES, ids=range(len(FAILURES)))
def test_failures_are_those_of_a_set_up(make_run: MakeRun, raw: dict[str, Any], complaint: str) -> None:
    run = make_run()
    with pytest.raises(OperationFailed, match=complaint) as caught, _surround(run, raw):
        pytest.fail("it was set up")
    assert caught.value.message.startswith("The runtime environment could not be set up: ")
    assert caught.value.details == {"error_type": "setup_failed", "message": caught.value.message}
    assert _runs(run) == []


def test_hostile_packages_leave_nothing_behind(tmp_path: Path, make_run: MakeRun) -> None:
    settings = Settings(state_dir=tmp_path / "s", hostname="h", max_unpacked_bytes=1_000_000)
    for entry in [("../evil", b"1"), ("bomb", b"\0" * 3_000_000)]:
        run = make_run(settings=settings)
        run.packages.files[NAME] = make_zip(tmp_path / "sha", entry)
        with (
            pytest.raises(OperationFailed, match=r"outside of its folder|too large"),
            _surround(run, {"working_dir": f"gcs://{NAME}"}),
        ):
            pytest.fail("it was unpacked")
        assert _runs(run) == []
    assert not list(tmp_path.rglob("evil"))


def test_an_agent_without_packages(make_run: MakeRun) -> None:
    run = make_run(packages=None)
    with (
        pytest.raises(OperationFailed, match="no access to uploaded packages"),
        _surround(run, {"working_dir": f"gcs://{NAME}"}),
    ):
        pytest.fail("it was set up")


def test_a_cancel_and_a_deadline_keep_their_meaning(tmp_path: Path, make_run: MakeRun) -> None:
    raw = {"working_dir": f"gcs://{NAME}"}
    run = make_run()
    run.packages.files[NAME] = make_zip(tmp_path / "sha", ("a", b"1"))
    run.context.cancelled.set()
    with pytest.raises(OperationCancelled), _surround(run, raw):
        pytest.fail("it was set up")
    late = make_run(deadline=time.monotonic() - 1, timeout_seconds=1.0)
    with pytest.raises(OperationTimedOut), _surround(late, raw):
        pytest.fail("it was set up")
    assert _runs(run) == []
