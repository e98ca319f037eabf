"""Real modules that need no root: a check predicts the first run, and the second run changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationNotSupported
from jobqueue.operations.outcome import Outcome
from jobqueue.settings import Settings
from tests.unit.operations.conftest import Perform

MODULE = "ansible.module"


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
        ("blockinfile", {"path": "{}/conf", "block": "one\ntwo"}),
        ("replace", {"path": "{}/conf", "regexp": "port=1", "replace": "port=3"}),
        ("copy", {"src": "{}/conf", "dest": "{}/copy", "remote_src": True, "mode": "0600"}),
        ("file", {"path": "{}/folder", "state": "directory", "mode": "0700"}),
        ("file", {"path": "{}/link", "src": "{}/conf", "state": "link"}),
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
    filled = {
        name: value.replace("{}", str(tmp_path)) if isinstance(value, str) else value
        for name, value in arguments.items()
    }

    def listing() -> dict[str, Any]:
        return {path.name: (path.lstat().st_mode, path.is_file() and path.read_text()) for path in tmp_path.iterdir()}

    before = listing()
    predicted = call(module, filled, check=True)
    assert (predicted.error, predicted.changed, predicted.data["would_change"]) == (None, False, True)
    assert listing() == before
    first = call(module, filled, diff=True)
    assert (first.error, first.changed) == (None, True)
    assert listing() != before
    if module in ("lineinfile", "blockinfile", "replace"):
        assert predicted.data["diff"] == first.data["diff"]
        assert f"+++ {tmp_path}/conf (content)" in first.data["diff"] or module == "replace"
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
        with pytest.raises(OperationNotSupported, match=f"has no module {module}"):
            call(module, {})
