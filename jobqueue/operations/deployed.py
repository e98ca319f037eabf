"""What an agent records about the objects that it deploys."""

from __future__ import annotations

import hashlib
import time
from typing import Protocol

from jobqueue.model.deployment import Deployment
from jobqueue.operations.object_reference import Content


class DeploymentLog(Protocol):
    """The recorded deployments of one host, by path. An unavailable ledger never makes it raise."""

    def record(self, path: str, deployment: Deployment) -> str:
        """Record a deployment; returns why it was not recorded, or ''."""
        ...

    def forget(self, path: str) -> None:
        """Record that no object is deployed at the path."""
        ...

    def get(self, path: str) -> Deployment | None:
        """What was deployed at the path; None if that is not known."""
        ...


def note(log: DeploymentLog | None, path: str, content: Content, provider: str, job_id: str) -> str:
    """Record what is at ``path`` now; returns why it was not recorded, or ''."""
    if log is None:
        return ""
    if content.source is None:
        log.forget(path)
        return ""
    source = content.source
    digest = hashlib.sha256(content.data).hexdigest()
    at = time.time_ns() // 1000
    return log.record(
        path, Deployment(content.object, source["version"], source["sha256"], digest, provider, job_id, at)
    )
