"""A program for a mount namespace of its own: changes users and groups there, and prints each answer as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jobqueue.errors import JobQueueError
from jobqueue.operations.context import Context
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings


def main(folder: Path) -> None:
    registry = Registry.load(())
    context = Context("web1", settings=Settings(state_dir=folder, hostname="web1", ansible=sys.executable))

    def call(type: str, data: dict[str, Any]) -> Any:
        try:
            outcome = run_operation(registry.get(type), data, context)
        except JobQueueError as error:
            return {"raised": error.message}
        answer = dict(outcome.data)
        answer.pop("result", None)
        return answer | ({"error": outcome.error} if outcome.error else {})

    def repeated(type: str, data: dict[str, Any]) -> list[Any]:
        """A check, the run, and a check and a run of what is done."""
        runs: tuple[dict[str, Any], ...] = ({"check": True}, {"diff": True}, {"check": True}, {})
        return [call(type, {**data, **more}) for more in runs]

    user, group = {"name": "jquser"}, {"name": "jqgroup"}
    module = {"module": "user", "args": {"name": "jqother", "create_home": False}}
    answers = {
        "group": repeated("node.group.create", {**group, "gid": 54321}),
        "user": repeated("node.user.create", {**user, "uid": 54322, "shell": "/bin/sh", "groups": ["jqgroup"]}),
        "seen": call("node.user.get", user),
        "update": repeated("node.user.update", {**user, "shell": "/bin/bash", "groups": []}),
        "members": repeated("node.group.update", {**group, "members": ["jquser"]}),
        "password": repeated("node.user.password", {**user, "password": "a new one: ü"}),
        "lock": repeated("node.user.update", {**user, "lock": True}),
        "locked": call("node.user.get", user),
        "key": repeated("node.sshKey.add", {"user": "jquser", "key": KEY}),
        "keys": call("node.sshKey.list", {"user": "jquser"}),
        "no group": call("node.user.update", {**user, "groups": ["jqnone"]}),
        "module": [call("ansible.module", {**module, "check": check}) for check in (True, False, True, False)],
        "root": call("node.user.delete", {"name": "root"}),
        "delete": repeated("node.user.delete", {**user, "remove_home": True}),
        "delete group": repeated("node.group.delete", group),
        "gone": call("node.user.get", user),
    }
    sys.stdout.write(json.dumps(answers))


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b"

if __name__ == "__main__":
    main(Path(sys.argv[1]))
