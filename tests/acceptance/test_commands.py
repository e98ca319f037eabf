"""What operations may do on an agent, and what they may not do to it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.support.api import Api, assert_error, request
from tests.acceptance.support.processes import unique_seconds, with_argument
from tests.acceptance.support.stack import Stack

EXEC, SHELL, SCRIPT, CALL = "command.exec.execute", "command.shell.execute", "script.shell.execute", "python.call"
MEGABYTE = 1024 * 1024


def shell(api: Api, line: str, **data: Any) -> dict[str, Any]:
    job: dict[str, Any] = api.run(SHELL, {"command": line, **data})
    return job


def test_a_command_gets_what_it_is_given(api: Api, tmp_path: Path) -> None:
    data = {
        "argv": ["sh", "-c", 'cat; pwd; echo "$COLOUR $*"; echo bad >&2; exit 3', "sh", "a b", "$HOME", "*"],
        "cwd": str(tmp_path),
        "env": {"COLOUR": "red"},
        "stdin": "hello\n",
    }
    job = api.run(EXEC, data)
    result = job["result"]
    assert (job["status"], job["changed"]) == ("failed", True)
    assert job["error"].endswith("The command exited with code 3: bad")
    assert result["stdout"] == f"hello\n{tmp_path}\nred a b $HOME *\n"
    assert (result["stderr"], result["exit_code"], result["truncated"]) == ("bad\n", 3, False)
    assert result["duration_ms"] >= 0


@pytest.mark.parametrize(("codes", "status"), [([0], "failed"), ([0, 3], "completed"), ("any", "completed")])
def test_exit_codes_that_mean_success(api: Api, codes: Any, status: str) -> None:
    for operation, data in ((SHELL, {"command": "echo out; exit 3"}), (SCRIPT, {"script": "echo out; exit 3"})):
        job = api.run(operation, {**data, "success_codes": codes})
        assert (job["status"], job["result"]["stdout"], job["result"]["exit_code"]) == (status, "out\n", 3)
        response = next(iter(job["responses"].values()))
        assert (response["status"], response["data"]) == (status, job["result"])


@pytest.mark.parametrize("codes", [[], "none", 3, ["3"], [256], None])
def test_wrong_success_codes_are_refused(api: Api, codes: Any) -> None:
    answer = api.post("/job", request(SHELL, {"command": "x", "success_codes": codes}))
    assert_error(answer, 400)
    assert "success_codes" in answer.json["error"]


def test_a_script_on_all_hosts_answers_with_its_output(api: Api) -> None:
    job = api.run(SCRIPT, {"script": "echo here; echo there >&2"}, "_all")
    assert job["status"] == "completed"
    assert len(job["responses"]) > 1
    for response in job["responses"].values():
        assert (response["data"]["stdout"], response["data"]["stderr"]) == ("here\n", "there\n")


def test_a_command_sees_nothing_of_our_settings(api: Api) -> None:
    job = shell(api, "env | grep -c '^JOBQUEUE_'", success_codes=[1])  # grep found nothing
    assert (job["status"], job["result"]["stdout"]) == ("completed", "0\n")


def test_a_hundred_megabytes_of_output_are_bounded(api: Api, stack: Stack) -> None:
    agent = psutil.Process(stack.agent_pid("agent1"))
    before = agent.memory_info().rss  # other tests may have had it hold much
    job = api.run(SHELL, {"command": "head -c 100000000 /dev/zero | tr '\\0' x; echo end"}, "agent1")
    result = job["result"]
    assert (job["status"], result["exit_code"], result["truncated"]) == ("completed", 0, True)
    assert len(result["stdout"]) <= MEGABYTE
    assert result["stdout"].startswith("xxx")
    assert result["stdout"].endswith("xend\n")
    assert "stdout was 100000004 bytes long" in result["notice"]
    assert agent.memory_info().rss - before < 60 * MEGABYTE


def test_output_that_is_no_text(api: Api) -> None:
    result = shell(api, r"printf 'a\377\000b\303'; printf '\001' >&2")["result"]
    assert (result["stdout"], result["stderr"]) == ("a�\0b�", "\x01")


def test_a_command_that_is_not_there(api: Api) -> None:
    job = api.run(EXEC, {"argv": ["no-such-command-here"]})
    assert (job["status"], job["result"], job["changed"]) == ("failed", None, None)
    assert job["error"] == "Command 'no-such-command-here' was not found."
    directory = api.run(EXEC, {"argv": ["true"], "cwd": "/no/such/directory"})
    assert directory["error"] == "The working directory '/no/such/directory' cannot be used: No such file or directory."


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_command_that_dies_by_a_signal(api: Api, number: signal.Signals) -> None:
    job = shell(api, f"kill -{number.value} $$")
    assert job["status"] == "failed"
    assert job["error"].endswith(f"The command was killed by {number.name}")
    assert (job["result"]["exit_code"], job["result"]["signal"]) == (-number.value, number.name)


@pytest.mark.parametrize("where", ["job", "operation"])
def test_a_timeout_ends_the_whole_process_tree(api: Api, where: str, tmp_path: Path) -> None:
    token = unique_seconds()
    begun = tmp_path / "begun"  # by the second child: who looks for both may be too late
    line = f"sleep {token} & setsid sh -c 'touch {begun}; exec sleep {token}' & wait"
    data: dict[str, Any] = {"command": line}
    options: dict[str, Any] = {}
    if where == "job":
        options["timeout_seconds"] = 4.5
    else:
        data["timeout"] = 4.5
    job = api.run(SHELL, data, **options)
    assert job["status"] == "failed"
    assert "timed out after 4.5s" in job["error"].lower()
    assert begun.exists()
    assert with_argument(token) == []


def test_a_fact_of_the_agent(api: Api) -> None:
    job = api.run(EXEC, {"argv": ["echo", "@fact.hostname", "on @fact.{label.group}!", "@@fact.hostname"]}, "agent2")
    assert job["result"]["stdout"] == "agent2 on web.prod! @fact.hostname\n"
    assert job["operation"]["data"]["argv"][1] == "@fact.hostname"  # the job shows what was asked for
    wrong = api.run(EXEC, {"argv": ["echo", "@fact.hostnam"]})
    assert wrong["status"] == "failed"
    assert "no fact 'hostnam'. Did you mean hostname" in wrong["error"]


def test_an_operation_that_answers_with_what_is_no_json(api: Api) -> None:
    job = api.run("accept.nonsense.get", {"file": "/x"})
    assert (job["status"], job["result"]) == ("failed", None)
    assert job["error"] == "The result is not valid JSON at path: a PosixPath is not a JSON value."


def test_an_operation_that_raises(api: Api, tmp_path: Path) -> None:
    job = api.run("accept.flaky.do", {"file": str(tmp_path / "ran"), "failures": 1})
    assert (job["status"], job["error"]) == ("failed", "RuntimeError: failure 1")
    assert job["attempts"] == 1
    assert (tmp_path / "ran").read_text().count("\n") == 1


def test_python_call(api: Api, tmp_path: Path) -> None:
    done = api.run(CALL, {"function": "acceptance_calls.add", "args": [2], "kwargs": {"second": 3}})
    assert (done["status"], done["result"]) == ("completed", {"sum": 5})
    api.run(CALL, {"function": "acceptance_calls:leave_a_line", "args": [str(tmp_path / "ran")]})
    assert (tmp_path / "ran").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("acceptance_calls.fail", "ValueError: on purpose"),
        ("acceptance_calls.not_json", "The result is not valid JSON: a set is not a JSON value."),
        ("acceptance_calls.nothing", "Module 'acceptance_calls' has no function 'nothing'."),
        ("acceptance_calls.die", "The child process died by SIGABRT before it answered."),
        ("os.system", "does not allow calls into module 'os' (allowed modules: acceptance_calls)"),
        ("acceptance_calls.getcwd", "acceptance_calls.getcwd is defined in posix, which this agent does not allow."),
    ],
)
def test_python_call_that_fails(api: Api, function: str, reason: str) -> None:
    job = api.run(CALL, {"function": function})
    assert job["status"] == "failed"
    assert reason in job["error"]


def test_the_agents_are_well_after_all_that(api: Api) -> None:
    job = api.run("node.hostname.get", target="_all")
    assert job["status"] == "completed"


def test_an_installed_operation_of_ones_own(api: Api, tmp_path: Path) -> None:
    job = api.run("example.greeting.get", {"name": "Ada"}, "_all")
    assert {host: answer["data"]["greeting"] for host, answer in job["responses"].items()} == {
        host: f"Hello, Ada, from {host}!" for host in ("agent1", "agent2", "agent3")
    }
    old = tmp_path / "reports"
    old.mkdir()
    (old / "old.log").write_text("12345")
    data = {"directory": str(old), "older_than_days": 0, "dry_run": False}
    removed = api.run("example.disk_cleanup.do", data, "agent1")
    assert (removed["changed"], removed["result"]["files"], list(old.iterdir())) == (True, 1, [])
    assert api.run("example.disk_cleanup.do", data, "agent1")["changed"] is False
    refused = api.post("/job", {"operation": {"type": "example.greeting.get", "data": {"name": ""}}})
    assert_error(refused, 400)
    assert "name" in str(refused.json["details"])
