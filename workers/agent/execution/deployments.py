"""The deployments of this host, as operations record them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import JobQueueError, LedgerUnavailable
from jobqueue.ledger.deployments import Deployments
from jobqueue.model.deployment import Deployment

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Pauses in seconds between attempts while the ledger is unavailable. A Redis user without the right to record looks
#: like an unavailable ledger, and must not stop deployments.
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)


class HostDeploymentLog:
    """Records deployments of one host in the ledger; while that is unavailable, it tries again for some seconds."""

    def __init__(self, deployments: Deployments, hostname: str, closing: threading.Event) -> None:
        """``closing`` ends all waiting."""
        self._deployments = deployments
        self._hostname = hostname
        self._closing = closing

    def record(self, path: str, deployment: Deployment) -> str:
        """Record a deployment; returns why it was not recorded, or ''."""
        try:
            self._patiently(lambda: self._deployments.record(self._hostname, path, deployment))
        except JobQueueError as error:
            logger.warning("The deployment of %s was not recorded: %s", path, error)
            return f"the deployment is not in the list of deployments: {error.message}"
        return ""

    def forget(self, path: str) -> None:
        """Record that no object is deployed at the path."""
        try:
            self._deployments.forget(self._hostname, path)
        except JobQueueError as error:
            logger.warning("The deployment of %s may still be recorded: %s", path, error)

    def get(self, path: str) -> Deployment | None:
        """What was deployed at the path; None if that is not known."""
        try:
            return self._deployments.get(self._hostname, path)
        except JobQueueError as error:
            logger.warning("The deployment of %s is not known: %s", path, error)
            return None

    def _patiently(self, call: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return call()
            except LedgerUnavailable:
                if self._closing.wait(pause):
                    raise
        return call()
