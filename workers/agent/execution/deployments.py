"""The deployments of this host, as operations record them."""

from __future__ import annotations

import logging
import threading

from jobqueue.errors import JobQueueError
from jobqueue.ledger.deployments import Deployments
from jobqueue.model.deployment import Deployment
from workers.agent.execution.ledger_retry import retry_until_available

logger = logging.getLogger(__name__)


class HostDeploymentLog:
    """Records deployments of one host in the ledger; while that is unavailable, it waits until ``closing``."""

    def __init__(self, deployments: Deployments, hostname: str, closing: threading.Event) -> None:
        self._deployments = deployments
        self._hostname = hostname
        self._closing = closing

    def record(self, path: str, deployment: Deployment) -> str:
        """Record a deployment; returns why it was not recorded, or ''."""
        try:
            retry_until_available(
                lambda: self._deployments.record(self._hostname, path, deployment),
                f"record the deployment of {path}",
                self._closing,
            )
        except JobQueueError as error:
            logger.warning("The deployment of %s was not recorded: %s", path, error)
            return f"the deployment was not recorded, so it is not known when the object becomes newer: {error.message}"
        return ""

    def forget(self, path: str) -> None:
        """Record that no object is deployed at the path."""
        try:
            retry_until_available(
                lambda: self._deployments.forget(self._hostname, path),
                f"forget the deployment of {path}",
                self._closing,
            )
        except JobQueueError as error:
            logger.warning("The deployment of %s is still recorded: %s", path, error)

    def get(self, path: str) -> Deployment | None:
        """What was deployed at the path; None if that is not known."""
        try:
            return retry_until_available(
                lambda: self._deployments.get(self._hostname, path), f"look up {path}", self._closing
            )
        except JobQueueError as error:
            logger.warning("The deployment of %s is not known: %s", path, error)
            return None
