"""Real modules that need no root: a check predicts the first run, and the second run changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationNotSupported
from jobqueue.operations.outcome import Outcome
from jobqueue.settings import Settings
from tests.unit.operations.conftest import Perform

MODULE = "ansible.module"
ROOT = Path(__file__).resolve().parents[4]
KNOWN = "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture
def call(perform: Perform, tmp_path: Path) -> Perform:
    """``call(module, args, **fields of the data)`` with the ansible-core of the tests' own environment."""
    settings = Settings(state_dir=tmp_path / "state", hostname="web1", ansible=sys.executable)

    def run(module: str, args: dict[str, Any], **fields: Any) -> Outcome:
        return perform(MODULE, {"module": module, "args": args, **fields}, settings=settings)

    return run


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("lineinfile", {"path": "{}/conf", "regexp": "^port=", "line": "port=2"}),
        ("lineinfile", {"path": "{}/conf", "regexp": "^port=", "state": "absent"}),
        ("lineinfile", {"path": "{}/made", "line": "a", "create": True}),
        ("blockinfile", {"path": "{}/conf", "block": "one\ntwo"}),
        ("replace", {"path": "{}/conf", "regexp": "port=1", "replace": "port=3"}),
        ("copy", {"src": "{}/conf", "dest": "{}/copy", "remote_src": True, "mode": "0600"}),
        ("file", {"path": "{}/folder", "state": "directory", "mode": "0700"}),
        ("file", {"path": "{}/link", "src": "{}/conf", "state": "link"}),
        ("file", {"path": "{}/conf", "state": "absent"}),
        ("assemble", {"src": "{}/parts", "dest": "{}/assembled"}),
        ("unarchive", {"src": "{}/archive.zip", "dest": "{}/parts", "remote_src": True}),
        ("get_url", {"url": "file://{}/conf", "dest": "{}/got", "mode": "0644"}),
        ("known_hosts", {"path": "{}/known", "name": "h", "key": KNOWN}),
        ("command", {"argv": ["touch", "{}/made"], "creates": "{}/made"}),
        ("tempfile", None),
    ],
)
def test_a_check_predicts_and_a_second_run_changes_nothing(
    call: Perform, tmp_path: Path, module: str, arguments: dict[str, Any] | None
) -> None:
    (tmp_path / "conf").write_text("name=a\nport=1\n")
    if arguments is None:  # one that cannot check says so, and nothing is done
        with pytest.raises(OperationNotSupported, match="does not support check mode"):
            call(module, {"path": str(tmp_path)}, check=True)
        assert [path.name for path in tmp_path.iterdir()] == ["conf"]
        return
    (tmp_path / "parts").mkdir()
    for name in "12":
        (tmp_path / "parts" / name).write_text(f"{name}\n")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("inside", "content")
    filled = json.loads(json.dumps(arguments).replace("{}", str(tmp_path)))

    def listing() -> dict[str, Any]:
        return {str(path): (path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in tmp_path.rglob("*")}

    before = listing()
    predicted = call(module, filled, check=True)
    assert (predicted.error, predicted.changed, predicted.data["would_change"]) == (None, False, True)
    assert listing() == before
    first = call(module, filled, diff=True)
    assert (first.error, first.changed) == (None, True)
    assert listing() != before
    if module in ("lineinfile", "blockinfile", "replace"):
        assert predicted.data["diff"] == first.data["diff"]
        assert f"+++ {filled['path']} (content)" in first.data["diff"] or module == "replace"
    after = listing()
    assert call(module, filled, check=True).data["would_change"] is False
    assert call(module, filled).changed is False
    assert listing() == after


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pth": "/x", "line": "a"}, "missing required arguments: path"),
        ({"path": "/x", "line": "a", "sate": "b"}, "Unsupported parameters for"),
        ({"path": "/x", "line": "a", "state": "b"}, "value of state must be one of: absent, present, got: b"),
        ({"path": "/nonexistent/x", "line": "a"}, "Destination /nonexistent/x does not exist !"),
    ],
)
def test_a_module_judges_its_arguments(call: Perform, arguments: dict[str, Any], words: str) -> None:
    outcome = call("lineinfile", arguments)
    assert outcome.error is not None
    assert outcome.error.startswith("The module lineinfile failed: ")
    assert words in outcome.error
    assert outcome.changed is False


def test_a_command_answers_with_its_output(call: Perform) -> None:
    outcome = call("command", {"argv": ["echo", "a b"]})
    assert outcome.data["result"]["stdout"] == "a b"
    assert outcome.changed is True


def test_a_module_that_does_not_exist_is_skipped(call: Perform) -> None:
    for module in ("no_such_module", "no.such.collection"):
        with pytest.raises(OperationNotSupported, match=f"has no module {module}; a module of a collection needs"):
            call(module, {})


def test_a_module_that_has_moved_is_named(call: Perform) -> None:
    for module, name in (("timezone", "community.general.timezone"), ("mount", "ansible.posix.mount")):
        with pytest.raises(OperationNotSupported, match=f"has no module {module}: it is {name} now. Use this name"):
            call(module, {})


@pytest.mark.parametrize(
    ("module", "arguments", "shown"),
    [
        ("stat", {"path": "{}/conf"}, lambda result: result["stat"]["size"] == 7),
        ("find", {"paths": "{}", "patterns": "c*"}, lambda result: result["matched"] == 1),
        ("slurp", {"src": "{}/conf"}, lambda result: result["content"] == "bmFtZT1hCg=="),
        ("getent", {"database": "passwd", "key": "root"}, lambda result: "ansible_facts" in result),
        ("ping", {"data": "x"}, lambda result: result["ping"] == "x"),
    ],
)
def test_modules_that_only_read_change_nothing(
    call: Perform, tmp_path: Path, module: str, arguments: dict[str, str], shown: Callable[[Any], bool]
) -> None:
    (tmp_path / "conf").write_text("name=a\n")
    filled = {name: value.replace("{}", str(tmp_path)) for name, value in arguments.items()}
    checked, run = call(module, filled, check=True), call(module, filled)
    assert (checked.data["would_change"], run.changed) == (False, False)
    assert shown(checked.data["result"])
    assert shown(run.data["result"])


def test_a_module_has_no_terminal_even_where_the_agent_has_one(tmp_path: Path) -> None:
    """The agent of this test has a terminal; a module that could read it would wait for ever."""
    program = f"""
import os, pty, sys
from pathlib import Path
from jobqueue.operations.context import Context
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
pid, terminal = pty.fork()
if pid == 0:
    os.close(os.open("/dev/tty", os.O_RDWR))
    settings = Settings(state_dir=Path({str(tmp_path)!r}), hostname="web1", ansible=sys.executable)
    data = {{"module": "command", "args": {{"_raw_params": "sh -c 'cat; read x < /dev/tty'"}}}}
    operation = Registry.load(()).get("ansible.module")
    data = Registry.load(()).validate("ansible.module", data)
    outcome = run_operation(operation, data, Context("web1", settings=settings))
    Path({str(tmp_path)!r}, "said").write_text(str(outcome.error) + outcome.data["result"]["stderr"])
    os._exit(0)
try:
    while os.read(terminal, 1000):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "said").read_text()
    assert "The module command failed: non-zero return code" in said
    assert "/dev/tty" in said
