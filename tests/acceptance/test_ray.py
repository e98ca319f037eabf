"""Ray's own client and command line against a running system, and openYuanrong's routes over plain HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import secrets
import shlex
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.processes import marked, unique_seconds, with_argument
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until
from tests.acceptance.support.wheels import write_wheel
from tests.alive import is_running

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

#: As in setup.cfg: where Ray has wheels.
RAY_IS_TO_BE_HAD = (
    sys.implementation.name == "cpython"
    and sys.version_info < (3, 15)
    and ((sys.platform, platform.machine()) in {("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")})
)
pytestmark = [
    pytest.mark.skipif(not RAY_IS_TO_BE_HAD, reason="there is no wheel of ray for this platform"),
    # Ray's client calls aiohttp in a way that aiohttp calls outdated
    pytest.mark.filterwarnings("ignore:ssl=None:DeprecationWarning"),
]

FINAL = ("SUCCEEDED", "FAILED", "STOPPED")
AT_ONCE = 500
READERS = 200


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[Stack]:
    running = Stack(home / "ray")
    try:
        running.up(agents=2)
        yield running
    finally:
        running.close()


@pytest.fixture
def headers(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.api.token}"}


@pytest.fixture
def client(stack: Stack, headers: dict[str, str]) -> JobSubmissionClient:
    from ray.job_submission import JobSubmissionClient  # a second and 100 MB, for this file only

    return JobSubmissionClient(stack.api.url, headers=headers)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory to submit, with a program that needs what surrounds it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(
        "import os, sys\nimport helper.words\n"
        "print(helper.words.GREETING, os.environ['WHO'], sorted(os.listdir()), sep='|')\n"
    )
    (folder / "data.txt").write_text("x")
    module = tmp_path / "modules" / "helper"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("")
    (module / "words.py").write_text("GREETING = 'hello'\n")
    return folder


def wait(client: JobSubmissionClient, name: str, *statuses: str) -> JobDetails:
    """The job once its status is one of ``statuses``; a final one by default."""

    def reached() -> JobDetails | None:
        info = client.get_job_info(name)
        return info if str(info.status) in (statuses or FINAL) else None

    found = until(reached, f"job {name} is {statuses or 'final'}", 60)
    assert found is not None
    return found


def tail(client: JobSubmissionClient, name: str, seen: Callable[[str], None] = lambda text: None) -> str:
    """Follow a job's output to its end."""

    async def follow() -> str:
        found = ""
        async for text in client.tail_job_logs(name):
            found += text
            seen(found)
        return found

    return asyncio.run(asyncio.wait_for(follow(), 120))


def printed(text: str) -> str:
    """What the entrypoint itself printed: behind the line that Ray's logs begin with."""
    first, newline, rest = text.partition("\n")
    assert first.startswith("Running entrypoint for job "), text[:1000]
    assert newline, text[:1000]
    return rest


def text_answer(api: Api, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Status and text of an answer that is no JSON."""
    raw = None if body is None else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}
    response = api._pool.request(method, api.url + path, body=raw, headers=sent)
    return response.status, response.data.decode()


# --- the client -------------------------------------------------------------------------------------------------------


def test_submit_poll_logs_tail_delete(client: JobSubmissionClient, stack: Stack) -> None:
    command = f"{shlex.quote(sys.executable)} -c \"import sys; print('out'); print('err', file=sys.stderr)\""
    name = client.submit_job(entrypoint=command, metadata={"team": "web"})
    assert name.startswith("raysubmit_")
    info = wait(client, name)
    assert (info.status, info.message) == ("SUCCEEDED", "Job finished successfully.")
    assert (info.entrypoint, info.metadata, info.error_type, info.driver_exit_code) == (
        command,
        {"team": "web"},
        None,
        0,
    )
    assert info.driver_info is not None
    assert info.driver_info.id == name
    assert int(info.driver_info.pid) > 0
    assert info.driver_node_id in ("agent1", "agent2")
    assert 0 <= info.end_time - info.start_time < 60_000
    assert client.get_job_logs(name).startswith(f"Running entrypoint for job {name}: {command}\n")
    assert sorted(printed(client.get_job_logs(name)).splitlines()) == ["err", "out"]
    assert tail(client, name) == client.get_job_logs(name)
    assert name in [job.submission_id for job in client.list_jobs()]

    native = stack.api.job(info.job_id)  # the same job, in our own words
    assert (native["operation"]["type"], native["status"], native["origin"]) == ("entrypoint.run", "completed", "ray")
    assert [event["event"] for event in native["timeline"]] == ["submitted", "acknowledged", "started", "completed"]
    assert stack.api.jobs(tag="team:web")["items"][0]["id"] == info.job_id
    assert client.get_job_info(info.job_id).submission_id == name

    assert client.delete_job(name) is True
    with pytest.raises(RuntimeError, match=f"404: Job {name} does not exist"):
        client.get_job_info(name)


def test_a_tail_shows_lines_as_they_come(client: JobSubmissionClient, tmp_path: Path) -> None:
    """The job goes on only after its first line has been seen."""
    mark = tmp_path / "seen"
    name = client.submit_job(entrypoint=f"echo first; while [ ! -e {mark} ]; do sleep 0.05; done; printf last")

    def seen(text: str) -> None:
        if text.endswith("first\n"):
            mark.touch()

    assert printed(tail(client, name, seen)) == "first\nlast"
    assert wait(client, name).status == "SUCCEEDED"


def test_many_readers(client: JobSubmissionClient, tmp_path: Path) -> None:
    """They all see everything, and meanwhile the API answers others."""
    mark = tmp_path / "seen"
    name = client.submit_job(entrypoint=f"echo first; while [ ! -e {mark} ]; do sleep 0.05; done; echo last")
    following = 0

    async def follow() -> str:
        nonlocal following
        found = ""
        async for text in client.tail_job_logs(name):
            found += text
            if text.endswith("first\n"):
                following += 1
            if following == READERS:
                following += 1
                assert client.get_job_status(name) == "RUNNING"
                mark.touch()
        return found

    async def follow_all() -> list[str]:
        return await asyncio.wait_for(asyncio.gather(*(follow() for _ in range(READERS))), 120)

    assert [printed(text) for text in asyncio.run(follow_all())] == ["first\nlast\n"] * READERS


def test_working_dir_py_modules_and_variables(client: JobSubmissionClient, project: Path) -> None:
    environment = {
        "working_dir": str(project),
        "py_modules": [str(project.parent / "modules" / "helper")],
        "env_vars": {"WHO": "wörld"},
        "excludes": ["*.txt"],
    }
    names = [client.submit_job(entrypoint="python main.py", runtime_env=environment) for _ in range(2)]
    for name in names:  # the second time, the packages are there already
        info = wait(client, name)
        assert info.status == "SUCCEEDED", info.message
        assert printed(client.get_job_logs(name)) == "hello|wörld|['main.py']\n"
        assert info.runtime_env["working_dir"].startswith("gcs://_ray_pkg_")
    # its content cannot be replaced, and the client, which checks first, continues to use it
    package = info.runtime_env["working_dir"].removeprefix("gcs://")
    assert client._do_request("PUT", f"/api/packages/gcs/{package}", data=b"other").status_code == 409
    assert wait(client, client.submit_job(entrypoint="python main.py", runtime_env=environment)).status == "SUCCEEDED"


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_packages_from_a_wheel(client: JobSubmissionClient, tmp_path: Path, tool: str) -> None:
    module = f"tiny_{tool}_{secrets.token_hex(4)}"
    write_wheel(tmp_path, module, "VALUE = 42\n")
    options = ["--no-index", f"--find-links={tmp_path}"]
    wanted: Any = [*options, module]
    if tool == "uv":
        wanted = {"packages": [module], "uv_pip_install_options": options}
    command = f'python -c "import {module}; print({module}.VALUE)"'
    names = [client.submit_job(entrypoint=command, runtime_env={tool: wanted}) for _ in range(3)]
    for name in names:
        info = wait(client, name)
        assert info.status == "SUCCEEDED", info.message
        assert "42" in client.get_job_logs(name).splitlines()


def test_a_set_up_that_fails(client: JobSubmissionClient, tmp_path: Path) -> None:
    environment = {"pip": ["--no-index", f"--find-links={tmp_path}", "no-such-thing"]}
    name = client.submit_job(entrypoint="echo never", runtime_env=environment)
    info = wait(client, name)
    assert (info.status, info.error_type) == ("FAILED", "RUNTIME_ENV_SETUP_FAILURE")
    assert (info.driver_exit_code, info.driver_info.pid) == (None, "")
    assert info.message.startswith("runtime_env setup failed: Failed to set up runtime environment.")
    assert "no-such-thing" in info.message
    assert "no-such-thing" in client.get_job_logs(name)  # what the tool said
    assert "never" not in client.get_job_logs(name).splitlines()


def hostile(path: Path, kind: str) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../escaped.txt" if kind == "escapes" else "fine.txt", "x")
        if kind == "bomb":
            with archive.open("zeros", "w") as entry:
                for _ in range(400):
                    entry.write(bytes(2**20))
    raw = path.read_bytes()
    return raw[: len(raw) // 2] if kind == "cut" else raw


@pytest.mark.parametrize("kind", ["escapes", "bomb", "cut"])
def test_hostile_packages(client: JobSubmissionClient, stack: Stack, tmp_path: Path, kind: str) -> None:
    package = f"_ray_pkg_{secrets.token_hex(8)}.zip"
    raw = hostile(tmp_path / "x.zip", kind)
    assert stack.api.send("PUT", f"/api/packages/gcs/{package}", raw).status == 200
    name = client.submit_job(entrypoint="echo never", runtime_env={"working_dir": f"gcs://{package}"})
    info = wait(client, name)
    assert (info.status, info.error_type) == ("FAILED", "RUNTIME_ENV_SETUP_FAILURE"), info
    assert "Traceback" not in info.message
    assert "never" not in client.get_job_logs(name)


def test_a_failing_entrypoint(client: JobSubmissionClient) -> None:
    name = client.submit_job(entrypoint="for i in $(seq 20); do echo line $i; done; exit 7")
    info = wait(client, name)
    assert (info.status, info.error_type) == ("FAILED", "JOB_ENTRYPOINT_COMMAND_ERROR")
    assert info.driver_exit_code == 7
    assert info.message.startswith(
        "Job entrypoint command failed with exit code 7, last available logs (truncated to 20,000 chars):\n"
    )
    assert info.message.split("\n", 1)[1].splitlines() == [f"line {number}" for number in range(11, 21)]


def test_stop_ends_every_process(client: JobSubmissionClient) -> None:
    seconds = unique_seconds()
    name = client.submit_job(entrypoint=f"trap '' TERM; sleep {seconds} & sleep {seconds}; wait")
    wait(client, name, "RUNNING")
    until(lambda: len(with_argument(seconds)) >= 2, "its processes run")
    with pytest.raises(RuntimeError, match=r"409: .*but it is in a non-terminal state RUNNING"):
        client.delete_job(name)
    assert client.stop_job(name) is True
    info = wait(client, name)
    assert (info.status, info.message) == ("STOPPED", "Job was intentionally stopped.")
    assert (info.driver_exit_code, info.error_type) == (None, None)
    until(lambda: not with_argument(seconds), "none is left")
    assert client.stop_job(name) is False


def test_stop_before_it_has_started(client: JobSubmissionClient) -> None:
    cpus = psutil.cpu_count() or 1
    one_host = {"ray.io/node-id": "agent1"}
    seconds = unique_seconds()
    first = client.submit_job(
        entrypoint=f"sleep {seconds}", entrypoint_num_cpus=cpus, entrypoint_label_selector=one_host
    )
    wait(client, first, "RUNNING")
    waiting = [
        client.submit_job(entrypoint="echo ran", entrypoint_num_cpus=cpus, entrypoint_label_selector=one_host)
        for _ in range(2)
    ]
    until(lambda: "waiting for resources" in client.get_job_info(waiting[0]).message, "the second one waits")
    assert client.get_job_status(waiting[0]) == "PENDING"
    assert client.stop_job(waiting[0]) is True
    assert wait(client, waiting[0]).status == "STOPPED"
    assert client.stop_job(first) is True
    info = wait(client, waiting[1])
    assert (info.status, info.driver_node_id) == ("SUCCEEDED", "agent1")
    assert client.get_job_logs(waiting[0]) == ""


def test_what_no_agent_has_is_waited_for(client: JobSubmissionClient, stack: Stack, tmp_path: Path) -> None:
    """As with Ray: it is PENDING, can be stopped, and runs once when an agent that fits joins."""
    for options, words in (
        ({"entrypoint_num_cpus": 10_000}, "10000 CPUs"),
        ({"entrypoint_memory": 2**58}, f"{2**58} bytes of memory"),
        ({"entrypoint_label_selector": {"zone": "in(a,b)"}}, "the label zone is a or b"),
        ({"entrypoint_resources": {"Custom": 2}}, "2 of the resource Custom"),
    ):
        name = client.submit_job(entrypoint="echo x", **options)
        info = client.get_job_info(name)
        assert (info.status, info.driver_node_id) == ("PENDING", None)
        assert f"waiting for resources that no live agent has: {words}." in info.message
        assert client.get_job_logs(name) == ""
        assert client.stop_job(name) is True
        assert wait(client, name).status == "STOPPED"
        assert client.delete_job(name) is True
    with pytest.raises(RuntimeError, match="cannot reserve GPUs"):
        client.submit_job(entrypoint="echo x", entrypoint_num_gpus=1)

    runs = tmp_path / "runs"
    waiting = [
        client.submit_job(
            entrypoint=f"echo ran >> {runs}; echo $0",
            entrypoint_label_selector={"site": "far"},
            entrypoint_resources={"slots": amount},
        )
        for amount in (1, 5)
    ]
    tails = ThreadPoolExecutor(1).submit(tail, client, waiting[0])
    stack.agent("agent9", "--label", "site=far", "--label", "slots=4")
    assert wait(client, waiting[0]).driver_node_id == "agent9"
    assert printed(tails.result(30)) == "/bin/sh\n"
    assert client.get_job_status(waiting[1]) == "PENDING"
    assert client.stop_job(waiting[1]) is True
    assert runs.read_text() == "ran\n"
    stack.stop_agents()  # the other tests count on the two agents of `up`


def test_names(client: JobSubmissionClient) -> None:
    """What is accepted can be asked for again by the real client; what could not be is refused."""
    for name in ("my job", "it's; $(x) & 'y' \"z\"", "日本語 é", f"a:b,c+d=e~{secrets.token_hex(4)}", "a..b"):
        assert client.submit_job(entrypoint="echo $0", submission_id=name) == name
        assert tail(client, name) == client.get_job_logs(name) != ""
        assert wait(client, name).submission_id == name
        assert client.stop_job(name) is False
        assert client.delete_job(name) is True
    for name in ("a/b", "..", "../x", "a?b", "a#b", "a%2fb", "\n", " x"):
        with pytest.raises(RuntimeError, match="400: submission_id"):
            client.submit_job(entrypoint="echo x", submission_id=name)


def test_a_name_that_is_taken(client: JobSubmissionClient) -> None:
    client.submit_job(entrypoint="echo once", submission_id="taken")
    with pytest.raises(
        RuntimeError, match=r"500: Job with submission_id taken already exists\. Please use a different"
    ):
        client.submit_job(entrypoint="echo twice", submission_id="taken")
    wait(client, "taken")
    client.delete_job("taken")
    assert client.submit_job(entrypoint="echo again", submission_id="taken") == "taken"  # freed by the deletion


def test_unknown_jobs(client: JobSubmissionClient) -> None:
    for call in (client.get_job_info, client.get_job_logs, client.stop_job, client.delete_job):
        with pytest.raises(RuntimeError, match="404: Job nothing does not exist"):
            call("nothing")


def test_kuberays_credentials(stack: Stack) -> None:
    """KubeRay's header, and the cookie of Ray's dashboard, on every call and on the tail's websocket."""
    from ray.job_submission import JobSubmissionClient

    assert text_answer(stack.api, "GET", "/api/gcs_healthz") == (200, "success")
    for client in (
        JobSubmissionClient(stack.api.url, headers={"X-Ray-Authorization": f"Bearer {stack.api.token}"}),
        JobSubmissionClient(
            stack.api.url, headers={"Cookie": f"ray-authentication-token={stack.api.token}", "X-Unrelated": "1"}
        ),
    ):
        name = client.submit_job(entrypoint="echo hello")
        assert printed(tail(client, name)) == "hello\n"
        assert wait(client, name).status == "SUCCEEDED"
        assert client.delete_job(name) is True


def test_wrong_credentials(stack: Stack) -> None:
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    with pytest.raises(AuthenticationError, match="token is not valid"):
        JobSubmissionClient(stack.api.url, headers={"Authorization": "Bearer wrong"})


def test_binary_output(client: JobSubmissionClient) -> None:
    raw = bytes(range(256)) * 40 + "€".encode()[:2]
    name = client.submit_job(
        entrypoint="python -c \"import os; os.write(1, bytes(range(256)) * 40 + '€'.encode()[:2])\""
    )
    assert printed(tail(client, name)) == raw.decode("utf-8", "replace")
    assert printed(client.get_job_logs(name)) == raw.decode("utf-8", "replace")


def test_fifty_megabytes_of_output(client: JobSubmissionClient, stack: Stack) -> None:
    name = client.submit_job(entrypoint="head -c 52428800 /dev/zero | tr '\\0' x; echo; echo the end")
    sizes: list[int] = []
    followed = tail(client, name, lambda text: sizes.append(len(text)))
    assert wait(client, name).status == "SUCCEEDED"
    assert followed.endswith("x\nthe end\n")
    assert len(sizes) > 1
    kept = client.get_job_logs(name)
    assert kept.endswith("x\nthe end\n")
    assert "no longer stored" in kept.splitlines()[0]  # JOBQUEUE_MAX_LOG_BYTES of it are
    assert 3 * 2**20 < len(kept) < 5 * 2**20


def test_other_kinds_of_jobs(client: JobSubmissionClient, stack: Stack) -> None:
    job = stack.api.run("command.shell.execute", {"command": "echo hi from $JOBQUEUE_X"}, "_all")
    info = client.get_job_info(job["id"])
    assert (info.status, info.entrypoint, info.submission_id) == ("SUCCEEDED", "echo hi from $JOBQUEUE_X", job["id"])
    assert tail(client, job["id"]) == "==> agent1 <==\nhi from\n==> agent2 <==\nhi from\n"
    assert client.get_job_logs(job["id"]) == "==> agent1 <==\nhi from\n==> agent2 <==\nhi from\n"


def test_an_agent_that_dies(client: JobSubmissionClient, stack: Stack) -> None:
    # its lease only: those of the others should not run out when the machine is busy
    agent = stack.agent("doomed", environ={"JOBQUEUE_LEASE_SECONDS": "2"})
    name = client.submit_job(
        entrypoint=f"echo started; while kill -0 {agent.pid}; do sleep 0.1; done",
        entrypoint_label_selector={"ray.io/node-id": "in(doomed, nobody)"},
    )

    def seen(text: str) -> None:
        if "started" in text:
            agent.kill()

    assert printed(tail(client, name, seen)).startswith("started\n")
    info = wait(client, name)
    assert (info.status, info.error_type) == ("FAILED", "JOB_SUPERVISOR_ACTOR_DIED")
    assert "doomed died" in info.message


def test_many_at_once(stack: Stack, client: JobSubmissionClient) -> None:
    batch = secrets.token_hex(4)
    body = {"entrypoint": "true", "metadata": {"batch": batch}}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: stack.api.post("/api/jobs/", body), range(AT_ONCE)))
    assert {answer.status for answer in answers} == {200}
    names = {answer.json["submission_id"] for answer in answers}
    assert len(names) == AT_ONCE

    def done() -> bool:
        found = stack.api.get("/api/jobs/", tag=f"batch:{batch}", status="SUCCEEDED").json
        return {job["submission_id"] for job in found} == names

    until(done, f"all {AT_ONCE} have succeeded", 120)
    assert len(client.list_jobs()) >= AT_ONCE


# --- the command line -------------------------------------------------------------------------------------------------


Finished = subprocess.CompletedProcess[str]


class RayCommand:
    """``ray job ...``. It finds the API by its environment, and the token too."""

    def __init__(self, api: Api) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        address = {"RAY_API_SERVER_ADDRESS": api.url, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": api.token}
        self._environ = {**kept, **address}

    def run(self, arguments: list[str]) -> Finished:
        """One command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "job", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def together(self, *commands: list[str]) -> list[Finished]:
        """Commands that do not need each other, two at a time: each start takes a second of a CPU."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.run, commands))


def shown(finished: Finished) -> str:
    """Everything that it printed; where to is Ray's affair."""
    return finished.stdout + finished.stderr


@pytest.fixture
def ray(stack: Stack) -> RayCommand:
    return RayCommand(stack.api)


def test_command_line(ray: RayCommand, project: Path, headers: dict[str, str]) -> None:
    """Every command."""
    environment = {"env_vars": {"WHO": "you"}, "py_modules": [str(project.parent / "modules" / "helper")]}
    submit = [
        "submit", "--headers", json.dumps(headers), "--working-dir", str(project), "--submission-id", "by hand",
        "--runtime-env-json", json.dumps(environment), "--metadata-json", '{"a": "b"}', "--", "python", "main.py",
    ]  # fmt: skip
    done, started, failed = ray.together(
        submit,
        ["submit", "--no-wait", "--submission-id", "long", "--", "sleep", unique_seconds()],
        ["submit", "--", "sh", "-c", "echo oh; exit 3"],
    )
    assert done.returncode == 0, done
    assert "hello|you|['data.txt', 'main.py']\n" in done.stdout
    assert "Job 'by hand' succeeded" in shown(done)
    assert started.returncode == 0, started
    assert failed.returncode == 1
    assert "oh\n" in failed.stdout
    assert "failed with exit code 3" in shown(failed)

    status, listed, logs = ray.together(["status", "long"], ["list"], ["logs", "by hand"])
    assert status.returncode == listed.returncode == logs.returncode == 0
    assert "Status for job 'long'" in shown(status)
    assert "submission_id='by hand'" in shown(listed)
    assert "hello|you|" in shown(logs)

    (stopped,) = ray.together(["stop", "long"])
    assert stopped.returncode == 0
    assert "was stopped" in shown(stopped)
    (deleted,) = ray.together(["delete", "long"])
    assert deleted.returncode == 0, deleted
    assert "deleted successfully" in shown(deleted)


# --- openYuanrong -----------------------------------------------------------------------------------------------------


def test_openyuanrongs_client_at_rays_paths(stack: Stack, tmp_path: Path) -> None:
    """Its published client calls Ray's paths, slash and all, and takes no other fields than its documents list."""
    (tmp_path / "script_yr.py").write_text("print('hello')\n")
    api = stack.api
    body = {"entrypoint": "python script_yr.py", "runtime_env": {"working_dir": str(tmp_path)}, "metadata": {}}
    name = f"yr-{secrets.token_hex(4)}"
    accepted = api.post("/api/jobs/", {**body, "submission_id": name})
    assert (accepted.status, accepted.json) == (200, {"submission_id": f"app-{name}"})
    name = f"app-{name}"
    job = until(lambda: _final(api, name), f"{name} has ended")
    assert job["status"] == "SUCCEEDED", job
    known = {
        "type", "submission_id", "driver_info", "status", "entrypoint", "error_type", "start_time", "end_time",
        "metadata", "runtime_env", "driver_agent_http_address", "driver_node_id", "driver_exit_code",
    }  # fmt: skip
    assert job.keys() == known
    listed = api.get("/api/jobs/").json
    assert job in listed
    for entry in listed:  # Ray's jobs beside it
        assert entry.keys() <= known | {"message"}
        assert entry["driver_info"].keys() == {"id", "node_ip_address", "pid"}
    assert text_answer(api, "GET", "/api/jobs/app-nothing") == (404, '"Job app-nothing does not exist"')
    assert text_answer(api, "DELETE", f"/api/jobs/{name}") == (200, "true")


def test_openyuanrong(stack: Stack, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
        archive.writestr("script_yr.py", "import os; print('in', os.environ['DEPLOY_REGION'])\n")
    body = {
        "entrypoint": "python script_yr.py",
        "metadata": {"autoscenes_ids": "auto_1-test", "ttl": "1250"},
        "runtime_env": {
            "envVars": '{"DEPLOY_REGION":"suzhou_std","SOURCE_REGION":"suzhou_std"}',
            "pip": "",
            "working_dir": f"file://{tmp_path}/file.zip",
        },
    }
    api = stack.api
    accepted = api.post("/api/jobs", body)
    assert (accepted.status, list(accepted.json)) == (200, ["submission_id"])
    name = accepted.json["submission_id"]
    job = until(lambda: _final(api, name), f"{name} has ended")
    assert job["status"] == "SUCCEEDED", job
    (listed,) = [item for item in api.get("/api/jobs").json if item["submission_id"] == name]
    assert listed == job
    for field in ("start_time", "end_time", "driver_agent_http_address", "driver_node_id", "error_type"):
        assert isinstance(listed[field], str), field
    assert len(listed["start_time"]) == 10  # seconds
    assert (listed["driver_exit_code"], listed["metadata"]) == (0, body["metadata"])
    assert listed["runtime_env"] == body["runtime_env"]
    assert api.get(f"/api/jobs/{name}/logs").json == {
        "logs": f"Running entrypoint for job {name}: python script_yr.py\nin suzhou_std\n"
    }
    assert text_answer(api, "POST", f"/api/jobs/{name}/stop") == (200, "false")

    running = api.post("/api/jobs", {"entrypoint": f"sleep {unique_seconds()}"}).json["submission_id"]
    assert text_answer(api, "DELETE", f"/api/jobs/{running}") == (200, "false")
    assert text_answer(api, "POST", f"/api/jobs/{running}/stop") == (200, "true")
    until(lambda: _final(api, running), f"{running} has ended")
    assert text_answer(api, "DELETE", f"/api/jobs/{running}") == (200, "true")


def _final(api: Api, name: str) -> dict[str, Any] | None:
    job: dict[str, Any] = api.get(f"/api/jobs/{name}").json
    return job if job["status"] in FINAL else None


# --- the websocket, when something breaks -----------------------------------------------------------------------------


def test_a_reader_that_vanishes_is_noticed(client: JobSubmissionClient, stack: Stack, tmp_path: Path) -> None:
    """Its connection is given back, and the job does not care."""
    mark = tmp_path / "go"
    name = client.submit_job(entrypoint=f"echo first; while [ ! -e {mark} ]; do sleep 0.05; done; echo last")
    place = urlsplit(stack.api.url)
    with socket.create_connection((place.hostname, place.port), 30) as reader:
        reader.sendall(
            f"GET /api/jobs/{name}/logs/tail HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {stack.api.token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        got = b""
        while b"first\n" not in got:
            piece = reader.recv(1000)
            assert piece, got
            got += piece
        port = reader.getsockname()[1]
        assert _is_connected(stack, port)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: not _is_connected(stack, port), "the server has let go of the connection")
    assert client.get_job_status(name) == "RUNNING"
    mark.touch()
    assert printed(tail(client, name)) == "first\nlast\n"


def _is_connected(stack: Stack, port: int) -> bool:
    """Whether a server of ours holds a connection whose other end is this port."""
    found = []
    for process in _servers(stack):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.net_connections("tcp")
    return any(connection.raddr and connection.raddr.port == port for connection in found)


def _servers(stack: Stack) -> list[psutil.Process]:
    """The API's processes, the one that started the others first."""
    found = []
    for process in marked(stack.mark):
        with contextlib.suppress(psutil.NoSuchProcess):  # those of other tests come and go
            if "api" in process.cmdline():
                found.append((process.create_time(), process.pid, process))
    return [process for *_, process in sorted(found)]


def test_the_server_ends_under_a_tail(client: JobSubmissionClient, stack: Stack, tmp_path: Path) -> None:
    """An orderly close would have the client believe that the job is through; it must see that it is not."""
    mark = tmp_path / "go"
    name = client.submit_job(entrypoint=f"echo first; while [ ! -e {mark} ]; do sleep 0.05; done; echo last")
    server = _servers(stack)[0]
    ending = threading.Event()

    def seen(text: str) -> None:
        if text.endswith("first\n"):
            server.terminate()
            ending.set()

    with pytest.raises(RuntimeError, match="1006"):
        tail(client, name, seen)
    assert ending.is_set()
    until(lambda: not is_running(server) and _is_up(stack), "the API is up again", 60)
    mark.touch()
    assert printed(tail(client, name)) == "first\nlast\n"
    assert wait(client, name).status == "SUCCEEDED"


def _is_up(stack: Stack) -> bool:
    import urllib3

    try:
        return stack.api.get("/api/version").status == 200
    except urllib3.exceptions.HTTPError:
        return False
