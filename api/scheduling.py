"""From a schedule's content to the submission of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api import validation
from api.native import requests
from api.native.schemas import JobRequest
from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal
from jobqueue.model.submission import Submission

_FIELD = "job"
#: Fields of a job's request that mean a single job, and what a schedule has instead.
_OF_ONE_JOB = {
    "idempotency_key": "Each time of a schedule has its own key; leave it out.",
    "plan_hash": "The set of agents is determined at each time; leave it out.",
    "not_before": "A schedule has starts for this; leave it out.",
    "expires_at": "A schedule has expires_after for this; leave it out.",
}
_job_request = JobRequest()


def submission_of(content: Mapping[str, Any], principal: Principal) -> Submission:
    """The submission of ``principal`` that a schedule's content stands for: a body of POST /job.

    Raises ``InvalidInput``.
    """
    for name, sentence in _OF_ONE_JOB.items():
        if name in content:
            raise InvalidInput.of(f"{_FIELD}.{name}", sentence)
    return requests.submission(validation.load(_job_request, dict(content), _FIELD), principal=principal)
