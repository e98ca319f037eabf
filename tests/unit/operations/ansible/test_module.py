"""ansible.module: how modules are called, and what becomes of each kind of answer."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import (
    InvalidOperationData,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
    OperationTimedOut,
)
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.operations.ansible.fake_python import make_fake_python
from tests.unit.operations.conftest import Perform
from workers.agent.guard.policy import Policy

MODULE = "ansible.module"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, hostname="web1", ansible=make_fake_python(tmp_path))


@pytest.fixture
def call(perform: Perform, settings: Settings) -> Perform:
    """``call(module, args, **fields of the data)``."""

    def run(module: str, args: dict[str, Any] | None = None, **fields: Any) -> Outcome:
        context = {name: fields.pop(name) for name in ("max_output_bytes", "cancelled") if name in fields}
        data = {"module": module, "args": args or {}, **fields}
        return perform(MODULE, data, settings=settings, **context)

    return run


def test_a_module_gets_its_arguments_and_those_of_the_caller(call: Perform) -> None:
    result = call("echo", {"path": "/x", "n": [1, None]}, check=True).data["result"]
    folder = result["arguments"].pop("_ansible_remote_tmp")
    assert not Path(folder).exists()  # it was there, empty, during the run
    assert result["folder"] == []
    assert {name: value for name, value in result["arguments"].items() if not name.startswith("_ansible_")} == {
        "path": "/x",
        "n": [1, None],
    }
    assert (result["arguments"]["_ansible_check_mode"], result["arguments"]["_ansible_diff"]) == (True, True)
    assert (result["argv"][0], result["module"]) == ("-I", "ansible.modules.echo")


def test_a_module_of_a_collection_has_a_long_name(call: Perform) -> None:
    result = call("ansible.posix.echo").data["result"]
    assert result["module"] == "ansible_collections.ansible.posix.plugins.modules.echo"


def test_a_change_is_told_with_its_diff_if_requested(call: Perform) -> None:
    outcome = call("write", diff=True)
    assert outcome == Outcome(
        {
            "module": "write",
            "result": {},
            "changed": True,
            "diff": "--- /etc/x\n+++ after\n@@ -1 +1 @@\n-a\n+b\n",
            "message": "written",
        },
        changed=True,
    )
    assert "diff" not in call("write").data


def test_a_check_changes_nothing_and_says_what_would_change(call: Perform) -> None:
    outcome = call("prepared", check=True)
    assert outcome.changed is False
    assert outcome.data == {
        "module": "prepared",
        "result": {},
        "changed": False,
        "check": True,
        "would_change": True,
        "diff": "+one\n",
    }


def test_a_module_that_cannot_check_is_skipped(call: Perform) -> None:
    with pytest.raises(OperationNotSupported, match=r"cannot_check was skipped: .* does not support check mode\."):
        call("cannot_check", check=True)


def test_a_failure_has_the_words_of_the_module(call: Perform) -> None:
    outcome = call("fails", {"name": "nosuch"})
    assert outcome.error == "The module fails failed: no package matching nosuch"
    assert outcome.data == {"module": "fails", "result": {"rc": 100}, "changed": False}


def test_a_long_error_is_cut(call: Perform) -> None:
    error = call("fails", {"name": "x" * 9000}).error
    assert error is not None
    assert len(error) == 2000


def test_lines_around_the_answer_are_ignored(call: Perform) -> None:
    assert call("garbage_first").changed is True


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (
            "garbage",
            r"The module garbage exited with code 3 and printed no JSON: OSError: /dev/tty cannot be opened\.",
        ),
        ("list", r"The module list exited with code 0 and printed no JSON\."),
        ("silent", r"The module silent exited with code 0 and printed no JSON\."),
        ("killed", r"The module killed was killed by SIGKILL and printed no JSON\."),
    ],
)
def test_a_module_without_an_answer_fails(call: Perform, module: str, sentence: str) -> None:
    with pytest.raises(OperationFailed, match=sentence):
        call(module)


def test_an_answer_that_was_cut_is_refused(call: Perform) -> None:
    with pytest.raises(OperationFailed, match=r"printed \d+ bytes, more than are kept .* JOBQUEUE_MAX_OUTPUT_BYTES"):
        call("long", max_output_bytes=2000)


def test_a_timeout_ends_the_module(call: Perform) -> None:
    with pytest.raises(OperationTimedOut, match="timed out after 300ms"):
        call("sleeps", timeout=0.3)


def test_a_cancel_ends_the_module(call: Perform) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.2, cancelled.set)
    timer.start()
    with pytest.raises(OperationCancelled):
        call("sleeps", cancelled=cancelled)
    timer.join()


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("no_ansible", r"has no ansible-core: install it there: python -m pip install ansible-core\."),
        ("unheard_of", "The ansible-core of this host has no module unheard_of"),
    ],
)
def test_what_the_host_lacks_is_skipped(call: Perform, module: str, sentence: str) -> None:
    with pytest.raises(OperationNotSupported, match=sentence):
        call(module)


@pytest.mark.parametrize(
    ("module", "args", "sentence"),
    [
        ("debug", {}, "controller"),
        ("pause", {}, "it needs a terminal"),
        ("shell", {}, r"use command\.shell\.execute"),
        ("copy", {"content": "x", "dest": "/x"}, r"use file\.deploy\.execute"),
        ("unarchive", {"src": "a.zip", "remote_src": False}, "set remote_src to true"),
        ("assemble", {"src": "/a", "dest": "/b", "remote_src": "no"}, "set remote_src to true"),
        ("uri", {"url": "http://127.0.0.1:9/", "src": "/a"}, "set remote_src to true"),
        ("reboot", {}, r"use node\.power\.reboot"),
        ("yum", {"name": "x"}, "use dnf"),
    ],
)
def test_modules_of_the_controller_are_refused(call: Perform, module: str, args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OperationFailed, match=f"The module {module} cannot be run: .*{sentence}"):
        call(module, args)


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("assemble", {"src": "/a", "dest": "/b"}),
        ("uri", {"url": "http://127.0.0.1:9/"}),
        ("uri", {"url": "http://127.0.0.1:9/", "src": "/a", "remote_src": True}),
    ],
)
def test_modules_with_their_source_on_the_host_run(call: Perform, module: str, args: dict[str, Any]) -> None:
    with pytest.raises(OperationNotSupported, match=f"has no module {module}"):  # of the fake, which was called
        call(module, args)


@pytest.mark.parametrize("remote_src", [True, 1, "yes", "YES", "t"])
def test_copy_runs_with_a_file_of_the_host(call: Perform, remote_src: Any) -> None:
    with pytest.raises(OperationNotSupported, match="has no module copy"):  # of the fake, which was called
        call("copy", {"src": "/a", "dest": "/b", "remote_src": remote_src})


@pytest.mark.parametrize(
    "module",
    [
        *("", "a.b", "a.b.c.d", "Line", "../x", "os;x", "a b", "line\n", "-m", "1x"),
        *("ansible.builtin.command", "ansible.legacy.command"),  # a second spelling would pass a host's rules
    ],
)
def test_a_name_has_one_spelling(registry: Registry, module: str) -> None:
    with pytest.raises(InvalidOperationData, match="Must be the name of a module"):
        registry.validate(MODULE, {"module": module})


def test_arguments_of_the_caller_are_reserved(registry: Registry) -> None:
    with pytest.raises(InvalidOperationData, match="Must not contain _ansible_check_mode: check and diff are fields"):
        registry.validate(MODULE, {"module": "ping", "args": {"_ansible_check_mode": False}})
    assert registry.validate(MODULE, {"module": "command", "args": {"_raw_params": "id"}})


def test_an_agent_without_ansible_does_not_offer_it(registry: Registry, tmp_path: Path) -> None:
    lean = registry.on_host(Settings(state_dir=tmp_path))
    assert MODULE not in lean
    assert lean.absent[MODULE].why.startswith("This agent has no ansible-core: install ansible-core into a virtual")
    gone = registry.on_host(Settings(state_dir=tmp_path, ansible=str(tmp_path / "gone")))
    assert "JOBQUEUE_ANSIBLE names" in gone.absent[MODULE].why
    assert lean.permission(MODULE) == "ansible:execute"


def test_an_agent_with_ansible_offers_it(registry: Registry, settings: Settings) -> None:
    assert MODULE in registry.on_host(settings)
    assert set(registry.on_host(settings).types()) == set(registry.types())


def test_without_settings_it_is_skipped(perform: Perform) -> None:
    with pytest.raises(OperationNotSupported, match="This agent has no ansible-core"):
        perform(MODULE, {"module": "ping"})


def test_a_host_allows_a_module_with_some_arguments(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    arguments = {"module": "lineinfile", "args": {"object": {"path": "/etc/app/*", "line": "*"}}}
    rule = {"operations": [MODULE], "effect": "allow", "arguments": arguments}
    path.write_text(json.dumps({"rules": [rule]}))
    policy, operation = Policy.load((), path), registry.get(MODULE)

    def allows(module: str, **args: Any) -> bool:
        return policy.decide(operation, {"module": module, "args": args})[0]

    assert allows("lineinfile", path="/etc/app/conf", line="a=1")
    assert not allows("command", path="/etc/app/conf", line="a=1")
    assert not allows("lineinfile", path="/etc/app/../passwd", line="a=1")
    assert not allows("lineinfile", dest="/etc/passwd", line="a=1")  # an alias of path
    assert not allows("lineinfile", path="/etc/app/conf", line="a=1", dest="/etc/passwd")
    assert not allows("lineinfile", path="/etc/app/conf")
