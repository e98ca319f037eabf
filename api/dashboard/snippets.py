"""One job as a command for curl, for the command line and for Python, to copy from its page."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from jobqueue.model.job import Job

#: Longer data is not shown as commands: shells limit the length of an argument.
MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class Snippet:
    """``text`` submits the same job; ``name`` is the heading."""

    name: str
    text: str


def snippets(job: Job, base: str) -> tuple[Snippet, ...]:
    """The job for every client; none for data longer than ``MOST_CHARACTERS``. ``base`` is the address of the API."""
    body = _body(job)
    if len(json.dumps(body, ensure_ascii=False)) > MOST_CHARACTERS:
        return ()
    return (
        Snippet("Command line", _command_line(body)),
        Snippet("curl", _curl(body, base)),
        Snippet("Python", _python(body)),
    )


def _body(job: Job) -> dict[str, Any]:
    optional = {"title": job.title, "timeout_seconds": job.timeout_seconds, "tags": dict(job.tags)}
    if job.rollout is not None:
        optional["rollout"] = job.rollout.document()
    if job.concurrency is not None:
        optional["concurrency"] = job.concurrency.document()
    return {
        "operation": {"type": job.operation, "data": job.data},
        "target_hostname": job.target,
        **{name: value for name, value in optional.items() if value},
    }


def _command_line(body: dict[str, Any]) -> str:
    operation = body["operation"]
    words = ["jobqueue", "job", "submit", operation["type"], "--target", body["target_hostname"]]
    if operation["data"]:
        words += ["--data", json.dumps(operation["data"], ensure_ascii=False)]
    if "title" in body:
        words += ["--title", body["title"]]
    if "timeout_seconds" in body:
        words += ["--timeout", f"{body['timeout_seconds']:g}s"]
    words += _rollout_options(body.get("rollout", {}))
    for name, value in body.get("concurrency", {}).items():
        words += [f"--concurrency-{name}", str(value)]
    for key, value in body.get("tags", {}).items():
        words += ["--tag", f"{key}={value}"]
    return shlex.join([*words, "--watch"])


def _rollout_options(terms: dict[str, Any]) -> list[str]:
    words = []
    for name, value in terms.items():
        if name == "verify":
            words += ["--verify", value["operation"]["type"]]
            if "data" in value["operation"]:
                words += ["--verify-data", json.dumps(value["operation"]["data"], ensure_ascii=False)]
            if "within_seconds" in value:
                words += ["--verify-within", f"{value['within_seconds']:g}s"]
            continue
        option = name.removesuffix("_seconds")
        words += [f"--{option.replace('_', '-')}", f"{value:g}s" if option != name else str(value)]
    return words


def _curl(body: dict[str, Any], base: str) -> str:
    return " \\\n  ".join(
        [
            f"curl --fail-with-body {shlex.quote(f'{base}/job')}",
            '--header "Authorization: Bearer $JOBQUEUE_TOKEN"',
            "--header 'Content-Type: application/json'",
            f"--data {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        ]
    )


def _python(body: dict[str, Any]) -> str:
    operation = body["operation"]
    arguments = [repr(operation["type"]), repr(operation["data"]), f"target={body['target_hostname']!r}"]
    options = ("title", "timeout_seconds", "rollout", "concurrency", "tags")
    arguments += [f"{name}={body[name]!r}" for name in options if name in body]
    return "\n".join(
        [
            "from jobqueue.client import Client",
            "",
            "with Client.from_env() as client:",
            f"    accepted = client.submit({', '.join(arguments)})",
            '    job = client.wait(accepted["job_id"])',
        ]
    )
