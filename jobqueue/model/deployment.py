"""Deployments: which object was deployed at which path of which host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

#: Maximum number of deployments of one host that are recorded.
MOST_DEPLOYMENTS = 500
_LONGEST_NAME, _LONGEST_DIGEST = 255, 64
_HIGHEST = 2**53 - 1


@dataclass(frozen=True)
class Deployment:
    """What an agent recorded about one path: the ``version`` of the object ``object``, deployed at ``at`` (µs).

    ``object_sha256`` is the digest of the object's version, ``sha256`` that of the file: they differ for a template.
    ``provider`` is the family of the operation: file, service, cron or certificate.
    """

    object: str
    version: int
    object_sha256: str
    sha256: str
    provider: str
    job_id: str
    at: int

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Deployment | None:
        """The record, or None for a text that no agent stores: an agent may write anything about its own host."""
        try:
            found: Any = json.loads(text)
            deployment = cls(**found)
        except (ValueError, TypeError):
            return None
        texts = (deployment.object, deployment.provider, deployment.job_id)
        digests = (deployment.object_sha256, deployment.sha256)
        numbers = (deployment.version, deployment.at)
        if any(not isinstance(one, str) or len(one) > _LONGEST_NAME for one in texts):
            return None
        if any(not isinstance(one, str) or len(one) != _LONGEST_DIGEST for one in digests):
            return None
        if any(type(one) is not int or not 0 <= one <= _HIGHEST for one in numbers):
            return None
        return deployment


@dataclass(frozen=True)
class StaleDeployment:
    """A deployment of an older version than the object's newest one. ``current`` is the digest of that one."""

    hostname: str
    path: str
    deployment: Deployment
    current_version: int
    current_sha256: str
