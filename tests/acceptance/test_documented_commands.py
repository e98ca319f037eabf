"""Every command of the README and of the quick start, as it stands, against `jobqueue up` as it starts by default."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.processes import MARK, Process
from tests.acceptance.support.stack import ROOT, clean_environ
from tests.acceptance.support.until import until

PAGES = ("README.md", "docs/quickstart.md")
PORT = 8080
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: They start and stop processes, or install packages; ``test_make_targets`` runs what they run.
_MAKE = re.compile(r"make [a-z-]+\b")
#: Runs until Ctrl-C.
_ENDLESS = ("jobqueue top",)
_SECONDS = 300.0


def blocks(page: str, kind: str) -> list[str]:
    """The code blocks of this kind."""
    return [text for found, text in _BLOCK.findall((ROOT / page).read_text()) if found == kind]


def commands(page: str) -> list[str]:
    """What comes after ``$``, with the lines that a backslash continues; other lines are output."""
    found: list[str] = []
    is_continued = False
    for line in "".join(blocks(page, "console")).splitlines():
        if is_continued:
            found[-1] += f"\n{line}"
        elif line.startswith("$ "):
            found.append(line.removeprefix("$ "))
        else:
            continue
        is_continued = line.endswith("\\")
    return found


def script(page: str) -> str:
    """The commands as one script, which stops at the first that fails."""
    lines = ["set -eu -o pipefail"]
    for command in commands(page):
        plain = command.partition("#")[0].strip()
        if _MAKE.match(plain):
            continue
        is_endless = plain in _ENDLESS
        lines.append(f"timeout --preserve-status --signal=INT 10 {plain} || test $? -eq 130" if is_endless else command)
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def person() -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory like a checkout, and the environment of a person who has just installed jobqueue."""
    if shutil.which("curl") is None or shutil.which("jobqueue", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("curl, or the command jobqueue beside this Python, is not installed")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            pytest.skip(f"port {PORT}, which the documentation uses, is taken")
    home = Path(tempfile.mkdtemp(prefix="jqd-"))
    environ = clean_environ()
    for name in ("JOBQUEUE_ALLOW", "JOBQUEUE_PASS_ENVIRONMENT", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        environ.pop(name, None)
    path = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    yield home, {**environ, "HOME": str(home), "PATH": path, MARK: home.name}
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def up(person: tuple[Path, dict[str, str]]) -> Iterator[Process]:
    """`make up`."""
    home, environ = person
    process = Process("up", [sys.executable, "-m", "jobqueue", "up"], environ, home)
    address = home / ".local/state/jobqueue/api.url"
    try:
        until(lambda: address.exists() or process.exit_code is not None, "`jobqueue up` serves", 150)
        assert process.exit_code is None, process.log()
        yield process
    finally:
        process.stop()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(page: str, person: tuple[Path, dict[str, str]], up: Process) -> None:
    home, environ = person
    done = subprocess.run(
        ["bash", "-c", script(page)],
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{script(page)}\n{done.stdout}\n{done.stderr}\n{up.log()}"
    assert '"job_id"' in done.stdout  # of curl, which ends with 0 whatever the API answers
    assert '"error": "' not in done.stdout


def test_the_python_of_the_quick_start_runs(person: tuple[Path, dict[str, str]], up: Process) -> None:
    home, environ = person
    (code,) = blocks("docs/quickstart.md", "python")
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=home, env=environ, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert {line.split(" ")[0] for line in done.stdout.splitlines()} >= {"web1", "web2", "db1"}


def test_the_terminal_shows_what_a_person_needs(person: tuple[Path, dict[str, str]], up: Process) -> None:
    """Addresses and files, and neither the processes' logs nor a banner; those are in the files that it names."""
    home, _ = person
    said = up.log()
    assert "web1, web2, db1" in said
    assert len(said.splitlines()) < 20, said
    logs = home / ".local/state/jobqueue/logs"
    assert str(logs) in said
    assert {path.stem for path in logs.glob("*.log")} >= {"api", "maintenance", "web1", "web2", "db1"}
    agent = (logs / "web1.log").read_text()
    assert "Agent web1 is registered" in agent
    assert "[queues]" not in agent  # of Celery's banner


def test_make_targets() -> None:
    """The documented targets run the documented commands."""
    said = {}
    for page in PAGES:
        for command in commands(page):
            found = _MAKE.match(command)
            if found:
                argv = ["make", "--dry-run", *found[0].split()[1:]]
                done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode == 0, done.stderr
                said[found[0]] = done.stdout
    assert "-m jobqueue demo" in said["make demo"]
    assert "-m jobqueue up" in said["make up"]
    assert "-m pytest" in said["make test"]
