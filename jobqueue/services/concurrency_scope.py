"""Which jobs share a concurrency key.

A key that all jobs share would let a principal with ``job:write`` on some hosts cancel jobs on others (``replace``),
keep them from running by holding their key, and learn of them. So its keys are those of its grants.
"""

from __future__ import annotations

import hashlib

from jobqueue.model.concurrency import Concurrency
from jobqueue.services.submission_permissions import SUBMIT
from jobqueue.services.submission_scope import Restriction

_HOST = "{host}"
_LENGTH = 16


def of(terms: Concurrency | None, restriction: Restriction | None) -> str:
    """The scope in which a key counts, the same for principals with the same grants; empty: it is shared by all jobs.

    A key with ``{host}`` is always shared: its holders are executions on that host, all of which are permitted.
    """
    if terms is None or restriction is None or _HOST in terms.key:
        return ""
    for scope in restriction.scopes:
        if scope.permission == SUBMIT:
            grants = "\n".join(sorted({grant.target or "" for grant in scope.grants}))
            return hashlib.sha256(grants.encode()).hexdigest()[:_LENGTH]
    return ""
