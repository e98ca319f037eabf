"""What the processes of jobs inherit, may use, and run as."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.process.confinement import PLAIN, Confinement, ResourceLimits
from jobqueue.operations.process.run import ProcessResult
from tests.unit.operations.process.running import run

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes as somebody else")
MIB = 1024**2


def lines(result: ProcessResult) -> list[str]:
    return result.stdout.text().splitlines()


def test_no_secret_of_the_agent_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "canary-5f2a"
    for name in ("JOBQUEUE_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "LD_PRELOAD_", "PYTHONPATH", "MY_LC_ALL"):
        monkeypatch.setenv(name, canary)
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    found = dict(line.split("=", 1) for line in lines(run(["env"], env={"GIVEN": "yes"})))
    assert canary not in found.values()
    assert (found["LC_TIME"], found["HTTPS_PROXY"], found["GIVEN"]) == ("C", "http://proxy:3128", "yes")
    assert found["PATH"] == os.environ["PATH"]


def test_the_owner_may_pass_more_but_never_our_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    monkeypatch.setenv("JOBQUEUE_TOKEN", "canary")
    found = lines(run(["env"], confinement=Confinement(environment=("JAVA_*", "*"))))
    assert "JAVA_HOME=/opt/java" in found
    assert not any("JOBQUEUE_TOKEN" in line or "canary" in line for line in found)


def test_memory_is_limited() -> None:
    program = "print(len(bytearray(400 * 1024 * 1024)))"
    argv = [sys.executable, "-I", "-S", "-c", program]
    assert run(argv).exit_code == 0
    held = run(argv, confinement=Confinement(limits=ResourceLimits(memory_bytes=200 * MIB)))
    assert held.exit_code == 1
    assert "MemoryError" in held.stderr.text()


def test_cpu_time_is_limited_for_children_too() -> None:
    confinement = Confinement(limits=ResourceLimits(cpu_seconds=1))
    held = run(["sh", "-c", "sh -c 'while :; do :; done'; echo $?"], confinement=confinement)
    assert int(held.stdout.text()) > 128  # by a signal


def test_open_files_are_limited() -> None:
    held = run(["sh", "-c", "ulimit -n"], confinement=Confinement(limits=ResourceLimits(open_files=64)))
    assert lines(held) == ["64"]


@as_root
def test_processes_are_limited() -> None:
    confinement = Confinement("nobody", ResourceLimits(processes=20))
    bomb = "i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; wait"
    held = run(["/bin/sh", "-c", bomb], confinement=confinement)
    assert "fork" in held.stderr.text().lower() or held.exit_code != 0


def test_limits_change_nothing_else(tmp_path: Path) -> None:
    confinement = Confinement(limits=ResourceLimits(open_files=64))
    script = tmp_path / "-c"
    script.write_text('#!/bin/sh\necho "$#:$1:$2:$PWD"\n')
    script.chmod(0o755)
    argv = ["./-c", "a b", "$(touch hacked); `x`"]
    plain = run(argv, cwd=str(tmp_path))
    held = run(argv, cwd=str(tmp_path), confinement=confinement)
    assert lines(held) == lines(plain) == [f"2:a b:$(touch hacked); `x`:{tmp_path}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["-c"]
    assert run(["sh", "-c", "exit 7"], confinement=confinement).exit_code == 7
    for name in ("no-such-program", "-x"):
        with pytest.raises(OperationFailed, match="was not found"):
            run([name], confinement=confinement)


@as_root
def test_another_user() -> None:
    nobody = pwd.getpwnam("nobody")
    result = run(["sh", "-c", "id -u; id -g; id -G; echo $HOME $USER; pwd"], confinement=Confinement("nobody"))
    assert lines(result) == [
        str(nobody.pw_uid),
        str(nobody.pw_gid),
        str(nobody.pw_gid),
        f"{nobody.pw_dir} nobody",
        "/",
    ]


@as_root
@pytest.mark.parametrize("way", ["cat /etc/shadow", "cat /proc/$PPID/environ", "kill -0 $PPID"])
def test_another_user_cannot_reach_what_is_the_agents(way: str) -> None:
    result = run(["sh", "-c", way], confinement=Confinement("nobody"))
    assert result.exit_code != 0
    assert result.stdout.text() == ""


def test_without_limits_nothing_stands_between() -> None:
    assert PLAIN.wrap(["a", "b"], None, {}) == ["a", "b"]
    assert PLAIN.identity() == {}
