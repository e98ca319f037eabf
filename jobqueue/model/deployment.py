"""Deployments: which object was deployed at which path of which host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

#: Maximum number of deployments of one host that are recorded.
MOST_DEPLOYMENTS = 500
_LONGEST_NAME, _DIGEST_LENGTH = 255, 64
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
            fields: Any = json.loads(text)
            deployment = cls(**fields)
        except (ValueError, TypeError):
            return None
        return deployment if all(_is_valid(name, value) for name, value in fields.items()) else None


def _is_valid(name: str, value: Any) -> bool:
    if name in ("version", "at"):
        return type(value) is int and 0 <= value <= _HIGHEST
    if not isinstance(value, str):
        return False
    return len(value) == _DIGEST_LENGTH if "sha256" in name else len(value) <= _LONGEST_NAME


@dataclass(frozen=True)
class StaleDeployment:
    """A deployment of an older version than the object's newest one; ``current_*`` are that one's number and digest."""

    hostname: str
    path: str
    deployment: Deployment
    current_version: int
    current_sha256: str
