"""The permissions that a submission needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.operations.base import Operation
from jobqueue.trust.secrets.reference import has_secret

#: For every submission, besides that of its operation.
SUBMIT = "job:write"
#: For submissions that name secrets: even an operation that changes nothing, such as a DNS look-up, could leak one.
USE_SECRETS = "secret:use"


def needed(operation: Operation, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The permissions for a job of ``operation``, in the order in which they are checked."""
    further = operation.further_permissions(data) if operation.further_permissions is not None else ()
    return tuple(dict.fromkeys((SUBMIT, operation.permission, *further, *([USE_SECRETS] if has_secret(data) else []))))
