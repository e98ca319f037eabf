"""Canaries: secrets that operations print in every way they can; then all that is stored or shown is searched."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from jobqueue.ledger.connection import connect
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.stack import Stack

ENVIRONMENT = "canary-of-the-environment/7Qx"
FILE = 'canary "of" the\\file&9Zk'
PROGRAM = "canary-of-the-program+3Wv"


def forms(value: str) -> set[bytes]:
    """What ordinary tools write for a text: unchanged, quoted, escaped, in base64 at each of three offsets, in hex."""
    raw = value.encode()
    texts = {value, json.dumps(value)[1:-1], repr(value)[1:-1], shlex.quote(value), quote(value), quote_plus(value)}
    # the digits at the ends of base64 hold bits of what stands beside the text
    codes = {base64.b64encode(bytes(shift) + raw)[-(-shift * 8 // 6) :].rstrip(b"=")[:-1] for shift in range(3)}
    return {text.encode() for text in texts} | codes | {raw.hex().encode()}


CANARIES = {canary: forms(canary) for canary in (ENVIRONMENT, FILE, PROGRAM)}
SHELL, EXEC, CALL, REVEAL = "command.shell.execute", "command.exec.execute", "python.call", "accept.reveal.do"
ENV = {name: {"$secret": name.lower()} for name in ("CANARY", "FROM_FILE", "ASKED")}
#: What users do by accident, and simple ways to leak a secret on purpose.
COMMANDS = (
    'echo "$CANARY $FROM_FILE" "$ASKED"; echo "$CANARY" >&2',
    'set -x; : "$CANARY" "$FROM_FILE"; env',
    'printf %s "$CANARY$FROM_FILE$ASKED" | base64 -w 20; printf %s "$CANARY" | od -An -tx1 | tr -d " \\n"',
    'for one in "$CANARY" "$FROM_FILE"; do printf %s "$one" | fold -w 3; printf "\\n--\\n"; done',
    'printf %s "$CANARY" | cut -c-9 | tr -d "\\n"; sleep 0.5; printf %s "$CANARY" | cut -c10-; cat "$CANARY"',
    "cat /proc/$PPID/environ",
    'yes "$CANARY" | head -c 300000',
)
#: The forms in which tools print a text: quoted, escaped and encoded text, dumps, and errors.
BASH_COMMANDS = (
    'printf "%q\n" "$CANARY" "$FROM_FILE"; declare -p CANARY FROM_FILE; export -p; alias x="$CANARY"; alias',
    'printf %s "$FROM_FILE" | xxd; printf %s "$CANARY" | od -c; printf %s "$CANARY" | hexdump -C; cat "/$FROM_FILE"',
    'printf %s "$CANARY" | iconv -t UTF-16LE | base64; printf %s "$ASKED" | base64 | fold -w 7 | sed "s/^/    /"',
    'echo "$CANARY" | grep --color=always canary; echo "${CANARY^^}"; printf %s "$CANARY" | xxd -p | fold -w 2',
    """python3 -c 'import json, os; x = os.environ["FROM_FILE"]; print([x], x.encode(), json.dumps(json.dumps(x)))'""",
    """python3 -c 'import os, html; from urllib.parse import quote; x = os.environ["FROM_FILE"]
print(html.escape(x), quote(quote(x, safe="")), quote(x).lower(), ascii(x))
raise ValueError(x)'""",
    'diff <(echo "$CANARY") <(echo "$FROM_FILE")',
    'exec 3<"$CANARY"; cd "$FROM_FILE"; "$ASKED"; kill "$CANARY"; [ "$CANARY" -eq 1 ]; echo $(("$FROM_FILE"))',
)
#: For data of other operations that would change the machine: it is only checked.
_CHECK = {"check": True, "diff": True}


def families(secret: dict[str, str], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Data that names a secret: as a value, as a name that does not exist, or as one that is invalid."""
    printed = 'echo "$CANARY"; echo "$FROM_FILE" >&2; exit 3'
    raised = "import os; raise ValueError(os.environ['CANARY'])"
    template = {
        "content": "{{ a }} {{ b }}",
        "content_type": "template",
        "path": str(folder / "template"),
        "diff": True,
    }
    return [
        ("script.shell.execute", {"script": printed, "env": ENV, "verbose": True}),
        ("script.shell.execute", {"script": secret, "args": [secret]}),
        ("script.python.execute", {"script": raised, "env": ENV}),
        ("script.python.execute", {"script": secret, "args": [secret]}),
        ("entrypoint.run", {"entrypoint": printed, "runtime_env": {"env_vars": ENV}}),
        ("entrypoint.run", {"entrypoint": secret, "metadata": {"name": secret}}),
        ("ansible.module", {"module": "command", "args": {"argv": ["echo", secret]}}),
        ("ansible.module", {"module": "command", "args": {"argv": ["cat", secret]}}),
        (
            "ansible.module",
            {"module": "lineinfile", "args": {"path": str(folder / "lines"), "line": secret, "create": True}},
        ),
        ("ansible.module", {"module": "stat", "args": {"path": {"a": secret}, "unknown": secret}}),
        ("file.deploy.execute", {**template, "vars": {"a": secret, "b": [secret]}}),
        ("file.deploy.execute", {**template, "vars": {"a": secret}}),  # b is not defined
        ("file.deploy.execute", {**template, "content": "{{ a / 1 }}", "vars": {"a": secret}}),
        ("file.deploy.execute", {**template, "content": secret, "vars": {}}),
        ("file.deploy.execute", {"path": str(folder / "x"), "content": secret, "validate": "cat %s /nothing"}),
        ("file.deploy.execute", {"path": str(folder / "x"), "content": secret, "mode": secret, "owner": secret}),
        ("file.undeploy.execute", {"path": secret}),
        ("docker.exec.execute", {"id": secret, "command": [secret], "env": [secret]}),
        ("docker.create.execute", {"image": secret, "env": [secret], **_CHECK}),
        ("docker.inspect.get", {"id": secret}),
        ("network.dns.get", {"name": secret, "server": "127.0.0.1", "port": 1, "timeout": 0.1}),
        ("network.ping.do", {"address": secret, "count": 1, "timeout": 1}),
        ("network.dns.update", {"interface": "eth0", "servers": [secret], **_CHECK}),
        ("network.interface.get", {"name": secret}),
        ("network.route.create", {"interface": "eth0", "routes": [{"to": secret, "via": secret}], **_CHECK}),
        ("node.package.get", {"name": secret}),
        ("node.package.install", {"name": secret, **_CHECK}),
        ("node.service.get", {"name": secret}),
        ("node.service.restart", {"name": secret, **_CHECK}),
        ("node.user.create", {"name": "canary-user", "password": secret, "shell": secret, **_CHECK}),
        ("node.user.get", {"name": secret}),
        ("node.group.update", {"name": secret, "members": [secret], **_CHECK}),
        ("node.sshKey.add", {"user": "root", "key": secret, **_CHECK}),
        ("node.sysctl.create", {"key": "kernel.domainname", "value": secret, **_CHECK}),
        ("node.hostname.update", {"hostname": secret, **_CHECK}),
        ("node.timezone.update", {"timezone": secret, **_CHECK}),
        ("node.ntp.create", {"servers": [secret], **_CHECK}),
        ("node.log.query", {"since": secret}),
        ("node.process.list", {"name": secret}),
        ("schedule.cron.create", {"name": "canary", "schedule": "@daily", "command": secret, **_CHECK}),
        ("schedule.cron.create", {"name": "canary", "schedule": secret, "command": "true", "user": secret, **_CHECK}),
        ("certificate.ca.delete", {"name": secret, **_CHECK}),
        ("command.exec.execute", {"argv": ["true"], "cwd": secret, "success_codes": [0]}),
        ("python.call", {"function": secret}),
    ]


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack, with_own_plugin: dict[str, str], home: Path) -> Iterator[Stack]:
    """A system whose agents have secrets of all three kinds, and have been made to print them."""
    held = home / "held"
    held.mkdir(mode=0o700)
    (held / "from_file").write_text(FILE + "\n")
    stack = make_stack(
        {
            **with_own_plugin,
            "JOBQUEUE_SECRET_CANARY": ENVIRONMENT,
            "JOBQUEUE_SECRETS_DIR": str(held),
            "JOBQUEUE_SECRETS_COMMAND": shlex.join([sys.executable, "-c", f"print({PROGRAM!r})"]),
            "JOBQUEUE_MAX_OUTPUT_BYTES": "2048",
            "JOBQUEUE_LOG_LEVEL": "DEBUG",
        }
    )
    stack.up(1)
    return stack


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> list[dict[str, Any]]:
    """The jobs that print secrets."""
    api, ids = stack.api, []
    commands = [*COMMANDS, *(f"bash -c {shlex.quote(command)}" for command in BASH_COMMANDS)]
    ids += [api.submit(SHELL, {"command": command, "env": ENV}) for command in commands]
    for secret in ({"$secret": name["$secret"]} for name in ENV.values()):
        ids.append(api.submit(EXEC, {"argv": ["printf", "%s:%s", "x", secret]}))
        ids.append(api.submit(EXEC, {"argv": [secret]}))
        ids.append(api.submit(EXEC, {"argv": ["cat"], "stdin": secret, "cwd": "/"}))
        for fail in (False, True):
            ids.append(
                api.submit(CALL, {"function": "acceptance_calls.reveal", "args": [secret], "kwargs": {"fail": fail}})
            )
            ids.append(
                api.submit(REVEAL, {"text": secret, "fail": fail}, retries={"max_attempts": 2, "backoff_seconds": 0.1})
            )
        ids.append(api.submit(REVEAL, {"text": secret, "seconds": 60}, timeout_seconds=1))
        ids.append(api.submit("file.status.get", {"path": secret}))
        deployed = {"path": str(stack.directory.parent / "deployed"), "content": secret}
        ids.append(api.submit("file.deploy.execute", deployed))
    offered = api.get("/agent/agent1").json["operations"]  # without ansible-core or a tool, some are missing
    ids += [
        api.submit(operation, data)
        for operation, data in families(ENV["FROM_FILE"], stack.directory.parent)
        if operation in offered
    ]
    ids.append(api.submit(SHELL, {"command": 'echo "$CANARY"; sleep 60', "env": ENV, "timeout": 1}))
    return [api.wait(job_id, 60) for job_id in ids]


def leaks(text: bytes) -> list[str]:
    """Which canaries are there, in any form, wherever lines were broken, in JSON, too."""
    plain = text.translate(None, b"\r\n")
    unbroken = plain.replace(b"\\n", b"")
    return [canary for canary, found in CANARIES.items() if any(form in plain or form in unbroken for form in found)]


def test_operations_get_the_values(stack: Stack) -> None:
    """Else nothing below would prove anything."""
    command = 'for one in "$CANARY" "$FROM_FILE" "$ASKED"; do printf %s "$one" | sha256sum; done'
    job = stack.api.run(SHELL, {"command": command, "env": ENV})
    digests = [line.split()[0] for line in job["result"]["stdout"].splitlines()]
    assert digests == [hashlib.sha256(canary.encode()).hexdigest() for canary in CANARIES]


def test_the_jobs_printed_their_secrets(jobs: list[dict[str, Any]]) -> None:
    text = repr(jobs)
    assert {job["status"] for job in jobs} == {"completed", "failed"}
    assert text.count("***") > 50
    assert "failed with ***" in text
    assert "JOBQUEUE_SECRET_CANARY=***" in text


def test_jobs(stack: Stack, jobs: list[dict[str, Any]]) -> None:
    """Every answer of the API about them, and their output."""
    found: dict[str, list[str]] = {}
    paths = [
        "/job?limit=100",
        "/agent",
        "/agent/agent1",
        "/health/status",
        "/operation",
        "/audit",
        "/metrics",
        "/alert",
    ]
    paths += ["/failure", "/job?q=canary", "/api/jobs/", "/api/job", "/api/audit/export", "/ui", "/ui/jobs", "/ui/runs"]
    for job in jobs:
        paths += [f"/job/{job['id']}", f"/job/{job['id']}/logs"]
    for job in jobs[::4]:
        paths += [f"/job/{job['id']}/executions", f"/job/{job['id']}/events"]
        paths += [f"/job/{job['id']}/output?format={kind}" for kind in ("zip", "jsonl")]
        paths += [f"/ui/jobs/{job['id']}", f"/ui/jobs/{job['id']}/output"]
    for path in paths:
        for accept in ("application/json", "text/plain", "text/event-stream")[: 3 if path.endswith("/logs") else 1]:
            here = leaks(_read(stack.api, path, accept))
            if here:
                found[f"{path} {accept}"] = here
    assert found == {}


def test_the_ledger(stack: Stack, jobs: list[dict[str, Any]]) -> None:
    """Every key and value in Redis."""
    del jobs
    read = {
        "string": lambda client, key: client.get(key), "hash": lambda client, key: client.hgetall(key),
        "list": lambda client, key: client.lrange(key, 0, -1), "set": lambda client, key: client.smembers(key),
        "zset": lambda client, key: client.zrange(key, 0, -1), "stream": lambda client, key: client.xrange(key),
        "none": lambda client, key: None,  # it has expired since it was found
    }  # fmt: skip
    found, seen = {}, 0
    with connect((stack.state / "redis.url").read_text().strip()) as client:
        for key in client.scan_iter("*", count=1000):
            value = read[client.type(key)](client, key)
            parts = _texts(value)
            seen += 1
            here = leaks(b"\0".join(parts)) + leaks(b"".join(parts)) + leaks(str(key).encode())
            if here:
                found[key] = here
    assert seen > 100
    assert found == {}


def test_files(stack: Stack, jobs: list[dict[str, Any]]) -> None:
    """Every file of the system: logs with DEBUG, Redis' own files, journals."""
    del jobs
    contents: dict[Path, bytes] = {}
    for folder, _, names in os.walk(stack.directory):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # Redis and the agents make and remove some all the time
                if path.is_file():
                    contents[path] = path.read_bytes()
    found = {str(path): leaks(content) for path, content in contents.items()}
    assert {path: here for path, here in found.items() if here} == {}
    logs = [content for path, content in contents.items() if path.suffix == ".log"]
    assert b"an operation logs ***" in b"".join(logs)


def test_the_command_line(stack: Stack, jobs: list[dict[str, Any]]) -> None:
    calls = [["job", "show", jobs[0]["id"]], ["job", "logs", jobs[1]["id"]], ["job", "list", "--json"]]
    calls += [["doctor"], ["alert", "list"], ["audit", "list"]]
    for arguments in calls:
        done = stack.run(*arguments)
        assert leaks((done.stdout + done.stderr).encode()) == []
        assert done.stdout + done.stderr


def test_what_is_stored_for_later(stack: Stack) -> None:
    """Saved jobs with their versions, schedules and notification rules name secrets; exports and diffs show names."""
    api = stack.api
    job = {"operation": {"type": SHELL, "data": {"command": "true", "env": ENV}}, "target_hostname": "agent1"}
    for command in ("true", 'echo "$CANARY"'):
        saved = {**job, "operation": {"type": SHELL, "data": {"command": command, "env": ENV}}}
        answer = api.send("PUT", "/saved/canary", json.dumps(saved).encode(), {"Content-Type": "application/json"})
        assert answer.status in (200, 201), answer
    assert api.post("/schedule", {"name": "canary", "every": "1d", "job": job}).status == 201
    channel = {"type": "webhook", "url": {"$secret": "canary"}, "secret": {"$secret": "from_file"}}
    rule = json.dumps({"events": ["job.failed"], "channel": channel}).encode()
    answer = api.send("PUT", "/notification/canary", rule, {"Content-Type": "application/json"})
    assert answer.status == 400, "neither is an address or a key"
    assert leaks(json.dumps(answer.json).encode()) == []
    shown = stack.run("export").stdout
    for path in (
        "/saved/canary/diff?from=1&to=2",
        "/saved/canary/versions",
        "/schedule/canary",
        "/ui/saved/canary",
    ):
        shown += _read(api, path, "application/json").decode()
    assert shown.count("$secret") > 5
    assert leaks(shown.encode()) == []


def test_jobs_name_the_secret(jobs: list[dict[str, Any]]) -> None:
    """What is stored is the name, so a retry gets the value of its own time."""
    assert jobs[0]["operation"]["data"]["env"] == ENV


@pytest.mark.parametrize("bad", [{"$secret": "../x"}, {"$secret": "a", "b": 1}, {"$secret": 1}])
def test_bad_names(stack: Stack, bad: dict[str, Any]) -> None:
    answer = stack.api.post("/job", {"operation": {"type": SHELL, "data": {"command": "x", "env": {"A": bad}}}})
    assert answer.status == 400, answer


def _read(api: Api, path: str, accept: str) -> bytes:
    """The whole body, whatever it is."""
    response = api._pool.request(
        "GET", api.url + path, headers={"Authorization": f"Bearer {api.token}", "Accept": accept}
    )
    assert response.status in (200, 404, 406), (path, response.status, response.data[:500])
    return response.data


def _texts(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    if isinstance(value, (list, tuple, set)):
        return [text for one in value for text in _texts(one)]
    return [str(value).encode()]
