"""The permissions that a submission needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.trust.secrets.reference import has_secret

#: For every submission, besides that of its operation.
SUBMIT = "job:write"
#: For submissions that name secrets: even an operation that changes nothing, such as a DNS look-up, could leak one.
USE_SECRETS = "secret:use"


def needed(of_operation: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The permissions for a job whose operation needs ``of_operation``, in the order in which they are checked."""
    return tuple(dict.fromkeys((SUBMIT, of_operation, *([USE_SECRETS] if has_secret(data) else []))))
