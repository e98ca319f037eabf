"""``jobqueue run``: what is sent, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.cli.commands import run as run_module
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast, job
from tests.unit.cli.test_submission import CATALOGUE
from tests.unit.client.fake_api import FakeApi, Reply

CHANGING = [{**found, "changes": found["positional"] is not None} for found in CATALOGUE]
UNAME = {"stdout": "Linux\n", "stderr": "", "exit_code": 0, "changed": True, "truncated": False, "duration_ms": 3}


def output(text: str, stream: str = "stdout", offset: int = 0) -> str:
    data = {"hostname": "web1", "offset": offset, "stream": stream, "attempt": 1, "text": text}
    return f"id: web1:{offset + len(text)}\nevent: output\ndata: {json.dumps(data)}\n\n"


def live(*events: str, status: str = "completed") -> Reply:
    end = f"event: end\ndata: {json.dumps({'hostname': 'web1', 'status': status})}\n\n"
    return Reply(200, "".join([*events, end]).encode(), {"Content-Type": "text/event-stream"})


def answered(status: str = "completed", error: str | None = None, **data: Any) -> dict[str, Any]:
    answer = {"status": status, "error": error, "data": {**UNAME, **data}, "changed": True, "hostname": "web1"}
    return job(
        status, error=error, responses={"web1": answer}, agent_states={"web1": {"status": status, "error": error}}
    )


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", "/operation", Reply(200, {"operations": CHANGING, "total": len(CHANGING)}))
    api.on("GET", f"/job/{ID}", Reply(200, answered()))
    api.on("GET", f"/job/{ID}/logs", live(output("Linux\n")))
    return api


def sent(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = next(seen.body for seen in api.seen if seen.method == "POST")
    return body


def test_a_shell_command_on_one_host_prints_its_output(accepting: FakeApi, run: Run) -> None:
    result = run("run", "uname -s | cat", "--on", "web1")
    assert (result.exit_code, result.stdout) == (0, "Linux\n")
    assert result.stderr.splitlines() == [f"Job {ID}", f"web1: completed in 1.5s; job {ID}"]
    body = sent(accepting)
    assert body["operation"] == {"type": "command.shell.execute", "data": {"command": "uname -s | cat"}}
    assert body["target_hostname"] == "web1"
    assert [seen.path for seen in accepting.seen if seen.path == "/operation"] == []


def test_words_behind_the_dashes_stay_words(accepting: FakeApi, run: Run) -> None:
    assert run("run", "--on", "web1", "--", "ls", "-l", "a b").exit_code == 0
    assert sent(accepting)["operation"]["data"] == {"command": "ls -l 'a b'"}


def test_options_of_the_job(accepting: FakeApi, run: Run) -> None:
    options = ["--title", "<b>t</b>", "--tag", "a=b", "--tag", "c:d", "--timeout", "1m", "--no-wait"]
    result = run("run", "false", "--on", "_all", *options, "-d", "success_codes:=[0,1]")
    assert (result.exit_code, result.stdout) == (0, f"{ID}\n")
    body = sent(accepting)
    assert (body["title"], body["tags"], body["timeout_seconds"]) == ("<b>t</b>", {"a": "b", "c": "d"}, 60.0)
    assert body["operation"]["data"] == {"command": "false", "success_codes": [0, 1]}


def test_an_operation_that_changes_nothing_needs_no_target(accepting: FakeApi, run: Run) -> None:
    states = {"web1": {"status": "completed"}}
    response = {"web1": {"status": "completed", "data": {"seconds": 5}, "hostname": "web1"}}
    accepting.on("GET", f"/job/{ID}", Reply(200, job(responses=response, agent_states=states)))
    accepting.on("GET", f"/job/{ID}/logs", live())
    result = run("run", "node.uptime.get", "-d", "a:b", "-d", "url=http://x", "-d", "n:=3")
    assert (result.exit_code, result.stdout) == (0, "web1: completed\n  seconds: 5\n")
    body = sent(accepting)
    assert body["operation"] == {"type": "node.uptime.get", "data": {"a": "b", "url": "http://x", "n": 3}}
    assert body["target_hostname"] == "_any"


def test_an_operation_takes_words(accepting: FakeApi, run: Run) -> None:
    assert run("run", "command.exec.execute", "--on", "web1", "--", "ls", "-l").exit_code == 0
    assert sent(accepting)["operation"] == {"type": "command.exec.execute", "data": {"argv": ["ls", "-l"]}}


@pytest.mark.parametrize(
    ("name", "text", "operation"),
    [
        ("check.sh", "echo hi\n", "script.shell.execute"),
        ("check.py", "print(1)\n", "script.python.execute"),
        ("check", "#!/usr/bin/perl\n", "script.shell.execute"),
    ],
)
def test_a_local_script(accepting: FakeApi, run: Run, tmp_path: Path, name: str, text: str, operation: str) -> None:
    (tmp_path / name).write_text(text)
    assert run("run", "--script", str(tmp_path / name), "--on", "web1", "--", "a b", "-c").exit_code == 0
    assert sent(accepting)["operation"] == {"type": operation, "data": {"script": text, "args": ["a b", "-c"]}}


def test_a_script_from_standard_input(accepting: FakeApi, run: Run) -> None:
    assert run("run", "--script", "-", "--on", "web1", stdin="uptime\n").exit_code == 0
    assert sent(accepting)["operation"]["data"] == {"script": "uptime\n"}


def test_data_from_files(accepting: FakeApi, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("é\n")
    (tmp_path / "json").write_text('{"a": [1]}')
    pairs = [f"content=@{tmp_path / 'text'}", f"deep:=@{tmp_path / 'json'}", "fact=@fact.arch", "at=@@fact.arch"]
    run("run", "node.uptime.get", *(part for pair in pairs for part in ("-d", pair)))
    assert sent(accepting)["operation"]["data"] == {
        "content": "é\n",
        "deep": {"a": [1]},
        "fact": "@fact.arch",
        "at": "@@fact.arch",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Give a shell command, an operation, --script FILE or --steps FILE."),
        (["df -h"], "A shell command may change hosts, so say where it runs: --on HOST"),
        (["command.exec.execute", "--", "ls"], "The operation command.exec.execute may change hosts"),
        (["--script", "/etc/hostname"], "A script may change hosts"),
        (["df", "--on", "_any", "--on", "web1"], "--on _any means one agent"),
        (["node.uptim.get"], "Unknown operation 'node.uptim.get'. Did you mean node.uptime.get?"),
        (["a.b.c"], "`jobqueue operation list` shows all. If it is a shell command, add --shell."),
        (["--script", "/usr", "--on", "web1"], "'/usr' is a directory, not a file."),
        (["--script", "/no/such", "--on", "web1"], "No such file"),
        (["--script", "/dev/null", "--on", "web1"], "The script /dev/null is empty."),
        (["df", "--on", "web1", "-d", "x"], "'x' is neither key=text, key:text, key=@file nor key:=json."),
        (["df", "--on", "web1", "-d", "=x"], "neither key=text"),
        (["df", "--on", "web1", "-d", ":=1"], "neither key=text"),
        (["df", "--on", "web1", "-d", "x:={"], "is not valid JSON"),
        (["df", "--on", "web1", "-d", "x=@/usr"], "'/usr' is a directory"),
        (["df", "--on", "web1", "-d", "x=@/no/such"], "No such file"),
        (["df", "--on", "web1", "-d", "command=x"], "given twice"),
        (["df", "--on", "web1", "--tag", "x"], "neither key=value nor key:value"),
        (["df", "--on", "web1", "--oneline", "--json"], "Choose one of"),
        (["df", "--on", "web1", "--timeout", "soon"], "is not a duration"),
    ],
)
def test_usage_errors(accepting: FakeApi, run: Run, arguments: list[str], says: str) -> None:
    result = run("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())
    assert not [seen for seen in accepting.seen if seen.method == "POST"], "nothing was submitted"


def test_a_word_like_an_operation_can_be_a_command(accepting: FakeApi, run: Run) -> None:
    assert run("run", "node.uptime.get", "--shell", "--on", "web1").exit_code == 0
    assert sent(accepting)["operation"]["data"] == {"command": "node.uptime.get"}
    accepting.seen.clear()
    assert run("run", "mkfs.ext4", "--on", "web1").exit_code == 0
    assert sent(accepting)["operation"]["data"] == {"command": "mkfs.ext4"}


def test_a_failure_is_exit_code_1_with_its_error(accepting: FakeApi, run: Run) -> None:
    error = "The command exited with code 3: bad"
    failed = answered("failed", error, stdout="so far\n", stderr="bad\n", exit_code=3)
    accepting.on("GET", f"/job/{ID}", Reply(200, failed))
    accepting.on("GET", f"/job/{ID}/logs", live(output("so far\n"), output("bad\n", "stderr", 7), status="failed"))
    result = run("run", "x", "--on", "web1")
    assert (result.exit_code, result.stdout) == (1, "so far\n")
    assert result.stderr.splitlines()[1:] == ["bad", f"web1: failed in 1.5s; job {ID}: {error}"]


MANY = broadcast(
    "partial_failure",
    {
        "web1": {"status": "completed", "data": {**UNAME, "stdout": "one\ntwo\n"}},
        "web10": {
            "status": "failed",
            "error": "The command exited with code 2: disk full",
            "data": {**UNAME, "stdout": "", "stderr": "disk full\n", "exit_code": 2},
        },
        "web2": {"status": "completed", "data": {**UNAME, "stdout": "one\n\x1b[2J\n"}},
    },
)


@pytest.fixture
def many(accepting: FakeApi) -> FakeApi:
    accepting.on("GET", f"/job/{ID}", Reply(200, MANY))
    return accepting


def test_many_hosts_have_each_line_prefixed(many: FakeApi, run: Run) -> None:
    result = run("run", "x", "--on", "_all")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["web1  | one", "web1  | two", "web2  | one", r"web2  | \x1b[2J"]
    lines = result.stderr.splitlines()
    assert "web10 | disk full" in lines
    assert "web10 | failed: The command exited with code 2: disk full" in lines
    assert lines[-1] == f"3 hosts: 2 completed, 1 failed (web10) in 1.5s; job {ID}"


def test_oneline(many: FakeApi, run: Run) -> None:
    result = run("run", "x", "--on", "_all", "--oneline")
    assert result.stdout.splitlines() == ["web10 | 2 | disk full", "web1  | 0 | one", "web2  | 0 | one"]


def test_group(many: FakeApi, run: Run) -> None:
    same = broadcast("completed", {name: {"status": "completed", "data": UNAME} for name in ("a1", "a2", "a3")})
    many.on("GET", f"/job/{ID}", Reply(200, same))
    result = run("run", "x", "--on", "_all", "--group")
    assert (result.exit_code, result.stdout) == (0, "a[1-3] (3 agents): completed\n  Linux\n")


def test_json_is_the_job(many: FakeApi, run: Run) -> None:
    result = run("run", "x", "--on", "_all", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, MANY)


def test_wait_timeout_prints_what_is_in(accepting: FakeApi, run: Run) -> None:
    states = {"web1": {"status": "completed", "data": UNAME}, "web2": {"status": "started"}}
    accepting.on("GET", f"/job/{ID}", Reply(200, broadcast("processing", states)))
    result = run("run", "x", "--on", "_all", "--wait-timeout", "100ms")
    assert (result.exit_code, result.stdout) == (1, "web1 | Linux\n")
    assert f"did not end within 0.1 s and continues: jobqueue job watch {ID}" in result.stderr
    assert "2 hosts: 1 completed, 1 started" in result.stderr


def test_wait_timeout_while_the_output_is_silent(accepting: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, job("processing", agent_states={"web1": {"status": "started"}})))
    accepting.on("GET", f"/job/{ID}/logs", Reply(503, {"error": "away", "code": 503, "details": None}))
    result = run("run", "x", "--on", "web1", "--wait-timeout", "100ms")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did not end within 0.1 s" in result.stderr


@pytest.mark.parametrize("status", [409, 501])
def test_a_front_that_cannot_follow_the_output(accepting: FakeApi, run: Run, status: int) -> None:
    """No cell has the job yet, or several have: the answer is shown once the job has ended."""
    accepting.on("GET", f"/job/{ID}/logs", Reply(status, {"error": "no", "code": status, "details": None}))
    accepting.on("GET", f"/job/{ID}/events", Reply(501, {"error": "no", "code": 501, "details": None}))
    result = run("run", "uname -s", "--on", "web1")
    assert (result.exit_code, f"web1: completed in 1.5s; job {ID}" in result.stderr) == (0, True), result.stderr


def test_ctrl_c_in_a_pipe_leaves_the_job_running(accepting: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "show_live", interrupted)
    result = run("run", "x", "--on", "web1")
    assert result.exit_code == 130
    assert f"Job {ID} continues. See it: jobqueue job watch {ID}   Cancel it: jobqueue job cancel {ID}" in result.stderr
    assert not [seen for seen in accepting.seen if seen.path.endswith("/cancel")]


@pytest.mark.parametrize("option", ["--on", "--target"])
def test_the_target_has_two_names(accepting: FakeApi, run: Run, option: str) -> None:
    assert run("run", "true", option, "web1", "--no-wait").exit_code == 0
    assert sent(accepting)["target_hostname"] == "web1"


def test_an_option_of_the_command_is_quoted_or_comes_after_the_dashes(api: FakeApi, run: Run) -> None:
    result = run("run", "uname", "-r", "--on", "web1")
    assert result.exit_code == 2
    assert "No such option '-r'. Quote a command that has options ('ls -l'), or put it after --" in result.stderr
    assert api.seen == []


def test_words_after_a_saved_job_are_parameters_rather(api: FakeApi, run: Run) -> None:
    result = run("run", "@deploy", "version=1.4")
    assert result.exit_code == 2
    assert "takes no words ('version=1.4'); -p gives a value to a parameter: jobqueue run @NAME -p KEY" in result.stderr
    assert api.seen == []


def test_a_job_that_has_not_ended_took_no_time_yet(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, job("submitted", agent_states={"web1": {"status": "submitted"}})))
    accepting.on("GET", f"/job/{ID}/logs", Reply(404, {"error": "none"}))
    result = run("run", "true", "--on", "web1", "--oneline", "--wait-timeout", "10ms")
    assert result.exit_code == 1
    assert f"web1: submitted; job {ID}" in result.stderr
