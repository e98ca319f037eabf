"""``jobqueue run`` against real agents: on a terminal and in a pipe."""

from __future__ import annotations

import io
import json
import re
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.support.stack import Stack
from tests.acceptance.support.terminal import terminal

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_one_host(stack: Stack) -> None:
    done = stack.run("run", "echo out; echo err >&2", "--on", "agent1")
    assert (done.returncode, done.stdout) == (0, "out\n")
    head, err, totals = done.stderr.splitlines()
    assert UUID.search(head)
    assert err == "err"
    assert re.fullmatch(r"agent1: completed in \S+; job \S+", totals)
    failed = stack.run("run", "echo out; echo bad >&2; exit 3", "--on", "agent1")
    assert (failed.returncode, failed.stdout) == (1, "out\n")
    assert re.search(r"agent1: failed in \S+; job \S+: The command exited with code 3: bad$", failed.stderr.rstrip())
    accepted = stack.run("run", "exit 3", "--on", "agent1", "-d", "success_codes:=[3]")
    assert accepted.returncode == 0


def test_many_hosts(stack: Stack) -> None:
    line = 'test "$(cat)" = @fact.hostname && exit 4; echo hello from @fact.hostname'
    done = stack.run("run", line, "--on", "_all", "-d", "stdin=agent2")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["agent1 | hello from agent1", "agent3 | hello from agent3"]
    assert "agent2 | failed: The command exited with code 4" in done.stderr
    assert re.search(r"3 hosts: 2 completed, 1 failed \(agent2\) in \S+; job", done.stderr.splitlines()[-1])
    oneline = stack.run("run", line, "--on", "_all", "-d", "stdin=agent2", "--oneline")
    assert [entry.split(" | ") for entry in oneline.stdout.splitlines()] == [
        ["agent2", "4", "The command exited with code 4"],
        ["agent1", "0", "hello from agent1"],
        ["agent3", "0", "hello from agent3"],
    ]
    grouped = stack.run("run", "echo same", "--on", "_all", "--group")
    assert grouped.stdout == "agent[1-3] (3 agents): completed, changed\n  same\n"


def test_a_script_and_an_operation(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit('no good')\n")
    done = stack.run("run", "--script", str(tmp_path / "check.py"), "--on", "agent2", "--", "a b", "-c")
    assert (done.returncode, done.stdout) == (1, "['a b', '-c']\n")
    assert "The script exited with code 1: no good" in done.stderr
    answer = stack.run("run", "node.hostname.get")
    assert (answer.returncode, "hostname" in answer.stdout) == (0, True)
    document = json.loads(stack.run("run", "echo hi", "--on", "_all", "--json").stdout)
    assert [found["data"]["stdout"] for found in document["responses"].values()] == ["hi\n"] * 3
    refused = stack.run("run", "--script", str(tmp_path), "--on", "agent1")
    assert (refused.returncode, "is a directory" in refused.stderr) == (2, True)
    assert stack.run("run", "uptime").returncode == 2


def test_wait_timeout(stack: Stack) -> None:
    line = "test @fact.hostname = agent1 || sleep 600; echo quick"
    done = stack.run("run", line, "--on", "_all", "--wait-timeout", "4s")
    assert (done.returncode, done.stdout) == (1, "agent1 | quick\n")
    found = UUID.search(done.stderr)
    assert found
    assert f"continues: jobqueue job watch {found[0]}" in done.stderr
    assert stack.run("job", "cancel", found[0]).returncode == 0


@pytest.mark.parametrize(
    ("keys", "says", "status"), [("c\r", "cancel requested", "cancelled"), ("\r", "continues", None)]
)
def test_ctrl_c_on_a_terminal_asks(stack: Stack, keys: str, says: str, status: str | None) -> None:
    with terminal(stack.environ, stack.logs, "run", "echo begun; sleep 600", "--on", "agent1") as screen:
        screen.wait_for("begun\n")
        screen.type("\x03")
        screen.wait_for("Leave it running (l), or cancel it (c)?")
        screen.type(keys)
        assert screen.end() == 130
        assert says in screen.shown
        found = UUID.search(screen.shown)
    assert found
    if status is None:
        assert stack.api.job(found[0])["status"] == "processing"
        assert stack.run("job", "cancel", found[0]).returncode == 0
    assert stack.api.wait(found[0])["status"] == "cancelled"


@pytest.mark.parametrize("columns", [80, 140])
def test_answers_fit_the_terminal(stack: Stack, columns: int) -> None:
    line = (
        "printf 'long %.0s' $(seq 60); echo; "
        "test @fact.hostname != agent3 || { printf 'x%.0s' $(seq 200) >&2; exit 3; }"
    )
    with terminal(stack.environ, stack.logs, "run", line, "--on", "_all", "--oneline", columns=columns) as screen:
        assert screen.end() == 1
        # behind the progress, which was shown and wiped before
        table = screen.lines[max(number for number, text in enumerate(screen.lines) if text.startswith("HOST ")) :][:4]
        assert [entry.split()[:2] for entry in table] == [
            ["HOST", "EXIT"],
            ["agent3", "3"],
            ["agent1", "0"],
            ["agent2", "0"],
        ]
        assert max(map(len, table)) <= columns
        assert min(map(len, table[1:])) > columns - 10, "the width is used"
    for arguments in (["job", "list"], ["agent", "list"]):
        with terminal(stack.environ, stack.logs, *arguments, columns=columns) as screen:
            assert screen.end() == 0
            # the sentence below the table is broken by the terminal
            table = [entry for entry in screen.lines if " jobs. All jobs: " not in entry]
            assert max(map(len, table)) <= columns, screen.shown


def test_logs_of_all_hosts(stack: Stack) -> None:
    line = "echo from @fact.hostname; test @fact.hostname != agent2 || exit 1"
    submitted = stack.run("run", line, "--on", "_all", "--no-wait")
    job_id = submitted.stdout.strip()
    followed = stack.run("job", "logs", job_id, "-f")
    expected = [f"agent{number} | from agent{number}" for number in (1, 2, 3)]
    assert (followed.returncode, sorted(followed.stdout.splitlines())) == (0, expected)
    assert stack.run("job", "logs", job_id).stdout.splitlines() == expected
    assert stack.run("job", "logs", job_id, "--failed").stdout == "agent2 | from agent2\n"
    assert stack.run("job", "logs", job_id, "--host", "agent3").stdout == "from agent3\n"
    same = stack.run("run", "echo same", "--on", "_all", "--json").stdout
    grouped = stack.run("job", "logs", json.loads(same)["id"], "--group")
    assert grouped.stdout == "agent[1-3] (3 hosts):\n  same\n"
    page = stack.api.get(f"/job/{job_id}/logs", limit=2).json
    assert ([found["hostname"] for found in page["hosts"]], page["total"]) == (["agent1", "agent2"], 3)
    assert page["next_cursor"] == "agent2"
    request = urllib.request.Request(  # noqa: S310 - the loopback address of the stack
        f"{stack.api.url}/job/{job_id}/output?format=zip", headers={"Authorization": f"Bearer {stack.api.token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        archive = zipfile.ZipFile(io.BytesIO(response.read()))
    assert archive.namelist() == ["agent1.txt", "agent2.txt", "agent3.txt"]
    assert archive.read("agent2.txt") == b"from agent2\n"


def test_titles_and_search(stack: Stack) -> None:
    job_id = stack.run("run", "echo needle-7f; exit 3", "--on", "agent1", "--json").stdout
    found = json.loads(job_id)
    assert found["title"] == "echo needle-7f; exit 3"
    for query in (["--q", "NEEDLE-7F"], ["--q", found["id"][:13]], ["--error", "exited with code 3", "--by", "admin"]):
        listed = json.loads(stack.run("job", "list", *query, "--json").stdout)
        assert found["id"] in [item["id"] for item in listed["items"]], query
    assert json.loads(stack.run("job", "list", "--q", "needle-7f", "--by", "x", "--json").stdout)["items"] == []
    titled = stack.run("run", "true", "--on", "agent1", "--title", "<b>Deploy</b>", "--no-wait").stdout.strip()
    assert stack.api.job(titled)["title"] == "<b>Deploy</b>"
    assert "<b>Deploy</b>" in stack.run("job", "list").stdout
    for title in ("x" * 10_000, "a\x1b[2Jb", "a\nb"):
        refused = stack.run("run", "true", "--on", "agent1", "--title", title)
        assert (refused.returncode, "title" in refused.stderr) == (2, True)
        assert len(refused.stderr) < 500


def test_retry_and_rerun(stack: Stack) -> None:
    found = json.loads(stack.run("run", "test @fact.hostname = agent1", "--on", "_all", "--json").stdout)
    refused = stack.run("job", "retry", found["id"])
    assert (refused.returncode, "on 3 hosts, of which 1 have completed it" in refused.stderr) == (2, True)
    again = stack.run("job", "retry", found["id"], "--only", "failed", "--yes")
    assert sorted(stack.api.wait(again.stdout.strip())["responses"]) == ["agent2", "agent3"]
    changed = stack.run("job", "rerun", found["id"], "-d", "command=echo other", "--on", "agent2", "--watch", "--json")
    document = json.loads(changed.stdout)
    assert (document["result"]["stdout"], document["title"], document["retry_of"]) == ("other\n", "echo other", None)


def test_files_of_all_hosts_in_one_archive(stack: Stack, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1200
    for number, host in enumerate(("agent1", "agent2"), 1):
        (tmp_path / host).mkdir()
        (tmp_path / host / "big.bin").write_bytes(content * number)
        (tmp_path / host / "a:b.txt").write_text(host)
    archive = tmp_path / "files.zip"
    path = f"{tmp_path}/@fact.{{hostname}}/*"
    done = stack.run("file", "fetch", path, "--on", "_all", "-o", str(archive))
    assert done.returncode == 1
    assert re.search(r"3 hosts: 2 completed, 1 failed \(agent3\) in", done.stderr)
    assert re.fullmatch(r"agent3: failed\n  No file matches .*\.\n", done.stdout)
    job_id = UUID.search(done.stderr)
    assert job_id
    again = tmp_path / "again.zip"
    assert stack.run("file", "fetched", job_id[0][:13], "-o", str(again)).returncode == 0
    for file in (archive, again):
        with zipfile.ZipFile(file) as read:
            assert read.testzip() is None
            names = {name: read.read(name) for name in read.namelist()}
        assert names.pop("_not-included.txt").startswith(b"agent3: failed: No file matches ")
        assert names == {
            f"{host}{tmp_path}/{host}/{name}": data
            for number, host in enumerate(("agent1", "agent2"), 1)
            for name, data in (("big.bin", content * number), ("a%3Ab.txt", host.encode()))
        }
    too_much = stack.run("file", "fetch", path, "--on", "agent1", "-o", str(archive), "--max-bytes", "100")
    assert too_much.returncode == 1
    assert "and the limit is 100 (max_bytes)" in too_much.stderr
