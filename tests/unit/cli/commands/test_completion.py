"""Shell completion: the scripts, and the words that they offer."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobqueue.cli.main import main
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, job
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture
def full_api(api: FakeApi) -> FakeApi:
    api.on("GET", "/job", Reply(200, {"items": [job("failed")]}))
    agents = [{"hostname": "web1", "status": "live", "state": "Ready", "labels": {"group": "web.dev"}}]
    api.on("GET", "/agent", Reply(200, {"agents": agents}))
    api.on("GET", "/operation", Reply(200, {"operations": [{"type": "node.load.get", "summary": "Load"}]}))
    api.on("GET", "/target", Reply(200, {"targets": [{"name": "edge", "target": "zone:a"}]}))
    for path, names in (
        ("saved", "saved"),
        ("schedule", "schedules"),
        ("notification", "notifications"),
        ("file", "files"),
    ):
        api.on("GET", f"/{path}", Reply(200, {names: [{"name": f"my-{path}"}], "next_cursor": None}))
    return api


def offered(api: FakeApi, line: str) -> list[str]:
    """What bash would offer for the last word of ``line``."""
    words = line.split(" ")
    environ = {
        "_JOBQUEUE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "JOBQUEUE_URL": api.url,
        "JOBQUEUE_TOKEN": "t",
    }
    result = CliRunner(env=environ).invoke(main, prog_name="jobqueue")
    assert result.exit_code == 0, result.output
    return [item.partition(",")[2] for item in result.stdout.split()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run: Run, shell: str, tmp_path: Path) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_JOBQUEUE_COMPLETE={shell}_complete" in result.stdout
    program = shutil.which(shell)
    if program is None:
        return  # the other shells are not on every machine
    script = tmp_path / "script"
    script.write_text(result.stdout)
    done = subprocess.run([program, "-n", str(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("jobqueue jo", ["job"]),
        ("jobqueue completion f", ["fish"]),
        ("jobqueue job show ", [ID]),
        ("jobqueue job cancel x", []),
        ("jobqueue agent drain w", ["web1"]),
        ("jobqueue job submit no", ["node.load.get"]),
        ("jobqueue job submit x --target ", ["_any", "_all", "web1", "group:web.dev", "@edge"]),
        ("jobqueue job list --status co", ["completed"]),
        ("jobqueue run ", ["node.load.get", "@my-saved"]),
        ("jobqueue schedule create x ", ["node.load.get", "@my-saved"]),
        ("jobqueue run x --target g", ["group:web.dev"]),
        ("jobqueue saved show ", ["my-saved"]),
        ("jobqueue saved delete ", ["my-saved"]),
        ("jobqueue schedule pause ", ["my-schedule"]),
        ("jobqueue notification test ", ["my-notification"]),
        ("jobqueue file deploy m", ["my-file"]),
        ("jobqueue target show ", ["edge"]),
    ],
)
def test_words(full_api: FakeApi, line: str, words: list[str]) -> None:
    assert offered(full_api, line) == words


def test_without_an_api_there_is_nothing_to_offer(api: FakeApi) -> None:
    assert offered(api, "jobqueue job show ") == []


def test_a_real_process_completes(full_api: FakeApi) -> None:
    environ = {"_JOBQUEUE_COMPLETE": "bash_complete", "COMP_WORDS": "jobqueue ev", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['jobqueue']; from jobqueue.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "plain,event\n"), done.stderr


#: When it is asked for completions, answers as jobqueue would; when it is run, writes its arguments to a file.
_PROGRAM = """#!{python}
import json, os, shlex, sys
if "COMP_WORDS" not in os.environ:
    open("{file}", "w").write(json.dumps(sys.argv[1:]))
    sys.exit()
last = shlex.split(os.environ["COMP_WORDS"])[int(os.environ["COMP_CWORD"])]
last = last.partition("=")[2] or last
print(*("plain," + word for word in ("group:web.dev", "@shop", "web1") if word.startswith(last)), sep="\\n")
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("jobqueue run x --on group:w", ["run", "x", "--on", "group:web.dev"]),
        ("jobqueue run 'a b'  --on  group:web.d", ["run", "a b", "--on", "group:web.dev"]),
        ("jobqueue run x --on=group:w", ["run", "x", "--on=group:web.dev"]),
        ("jobqueue run @s", ["run", "@shop"]),
        ("jobqueue agent show w", ["agent", "show", "web1"]),
    ],
)
def test_a_real_bash_completes_words_with_colons_and_at_signs(
    run: Run, tmp_path: Path, typed: str, arguments: list[str]
) -> None:
    program, script, result = tmp_path / "jobqueue", tmp_path / "script", tmp_path / "arguments"
    program.write_text(_PROGRAM.format(python=sys.executable, file=result))
    program.chmod(0o755)
    script.write_text(run("completion", "bash").stdout + "PS1=ready\n")
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)}
    command = ["bash", "--noprofile", "--rcfile", str(script), "-i"]
    master, slave = pty.openpty()
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
    ) as bash:
        os.close(slave)
        try:
            shown = b""
            while b"ready" not in shown:
                shown += os.read(master, 1024)
            os.write(master, f"{typed}\t\nexit\n".encode())
            bash.wait(timeout=60)
        finally:
            bash.kill()
            os.close(master)
    assert json.loads(result.read_text()) == arguments
