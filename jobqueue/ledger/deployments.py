"""Deployments of objects in the ledger, a record per host and path, which each agent writes for its own host."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from jobqueue.errors import DeploymentsFull
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.deployment import MOST_DEPLOYMENTS, Deployment


@dataclass(frozen=True)
class HostDeployments:
    """The deployments of one host, by path."""

    hostname: str
    paths: dict[str, Deployment]


class Deployments:
    """The deployments of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, alarm: TamperAlarm) -> None:
        self._alarm = alarm
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def record(self, hostname: str, path: str, deployment: Deployment) -> None:
        """Record what was deployed at a path. Raises ``DeploymentsFull``: nothing was recorded."""
        answer = self._scripts.call("record_deployment", hostname, path, deployment.text(), MOST_DEPLOYMENTS)
        if answer == "full":
            raise DeploymentsFull(
                f"The deployment was not recorded: {MOST_DEPLOYMENTS} deployments of {hostname} are recorded already."
            )

    def forget(self, hostname: str, path: str) -> None:
        """Record that no object is deployed at a path any more."""
        self._scripts.call("record_deployment", hostname, path, "", MOST_DEPLOYMENTS)

    def get(self, hostname: str, path: str) -> Deployment | None:
        """What was deployed at a path of a host; None if nothing is recorded."""
        text = self._scripts.command("HGET", self._keys.deployed(hostname), path)
        return None if text is None else Deployment.read(str(text))

    def page(self, after: str, limit: int) -> tuple[list[HostDeployments], str | None]:
        """The deployments of up to ``limit`` hosts after ``after``, and the hostname to continue after, if any."""
        with translated_errors():
            start = f"({after}" if after else "-"
            names = self._client.zrangebylex(self._keys.kind("deployed_hosts"), start, "+", start=0, num=limit + 1)
        hosts = [str(name) for name in names[:limit]]
        page = []
        for host, answer in zip(hosts, self._scripts.call("read_deployments", *hosts) if hosts else [], strict=True):
            if len(answer) % 2:
                self._alarm(
                    f"deployed|{host}",
                    f"The deployments of {host} in Redis are more than an agent records, so they are not shown.",
                )
                continue
            pairs = zip(answer[::2], answer[1::2], strict=True)
            read = {str(path): Deployment.read(str(text)) for path, text in pairs}
            page.append(HostDeployments(host, {path: one for path, one in sorted(read.items()) if one is not None}))
        return page, hosts[-1] if len(names) > limit else None
