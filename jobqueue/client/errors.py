"""The errors of the client.

``ClientError`` is the root (itself a ``jobqueue.errors.JobQueueError``)::

    ClientError
        ConnectionFailed          no answer: unreachable, cut off, or too slow
        InvalidAnswer             an answer, but not from the jobqueue API
        WaitTimeout               the job was not final in time (also a TimeoutError)
        JobFailed                 the job has ended, and not well
        ApiError                  the API answered with an error
            InvalidRequest        400, 413, 415, 422
            Unauthorized          401
            Forbidden             403
            NotFound              404
            Conflict              409
            RateLimited           429
            Unavailable           502, 503, 504
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobqueue.errors import JobQueueError

if TYPE_CHECKING:
    from jobqueue.client.objects import JobInfo, Result

#: Hosts that a message names.
_MOST_HOSTS = 10


class ClientError(JobQueueError):
    """The client could not get an answer from the API."""

    code = "client_error"


class ConnectionFailed(ClientError):
    """The API cannot be reached. ``url`` is the address that was tried."""

    code = "connection_failed"

    def __init__(self, message: str | None = None, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class InvalidAnswer(ClientError):
    """The server's answer is not one of the jobqueue API."""

    code = "invalid_answer"


class WaitTimeout(ClientError, TimeoutError):
    """The job did not end in time. ``job`` is the job as it was last seen; it continues."""

    code = "wait_timeout"

    def __init__(self, message: str | None = None, *, job: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.job = dict(job)


class JobFailed(ClientError):
    """A job has ended, and not well: it failed, or it was cancelled.

    ``job``      the job; of several (``wait_many``) the first
    ``jobs``     all of them
    ``results``  the failures, of all of these jobs
    ``hosts``    their hostnames, each once
    """

    code = "job_failed"

    def __init__(self, message: str | None = None, *, job: JobInfo, others: Sequence[JobInfo] = ()) -> None:
        self.job = job
        self.jobs = (job, *others)
        self.results = tuple(result for failed_job in self.jobs for result in failed_job.failures)
        self.hosts = tuple(dict.fromkeys(result.hostname for result in self.results))
        super().__init__(message or " ".join(map(_failure_of, self.jobs)))


class ApiError(ClientError):
    """The API refused the request.

    ``status``      the HTTP status
    ``message``     the API's error message
    ``details``     further details, for invalid input ``{field: [messages]}``; or None
    ``request_id``  identifies the request in the API's log; or None
    ``is_of_api``   False for the answer of another server, such as a proxy, at the API's address
    """

    code = "api_error"

    def __init__(
        self,
        status: int,
        message: str | None = None,
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, details)
        self.status = status
        self.request_id = request_id
        self.is_of_api = True


class InvalidRequest(ApiError):
    """The API found the request invalid."""

    code = "invalid_request"


class Unauthorized(ApiError):
    """The API knows no such token."""

    code = "unauthorized"


class Forbidden(ApiError):
    """The token lacks a permission."""

    code = "forbidden"


class NotFound(ApiError):
    """The API knows no such thing."""

    code = "not_found"


class Conflict(ApiError):
    """The request conflicts with the present state."""

    code = "conflict"


class RateLimited(ApiError):
    """Too many requests."""

    code = "rate_limited"


class Unavailable(ApiError):
    """The API cannot serve the request at the moment."""

    code = "unavailable"


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
#: The end of the message for a token that is missing or not valid.
TOKEN_HINT = "Give a token in JOBQUEUE_TOKEN, or as the client's argument."  # noqa: S105 - no secret


def api_error(
    status: int, message: str, details: Mapping[str, Any] | None = None, request_id: str | None = None
) -> ApiError:
    """The exception for ``status``."""
    if status == 401:
        message = f"{message} {TOKEN_HINT}"
    return _BY_STATUS.get(status, ApiError)(status, message, details, request_id)


def _failure_of(job: JobInfo) -> str:
    name = f"Job {job.id}" + (f" ({job.title})" if job.title else "")
    failures = job.failures
    if not failures:
        return f"{name} ended as {job.status}" + (f": {job.error.rstrip('.')}." if job.error else ".")
    named = "; ".join(_reason(result) for result in failures[:_MOST_HOSTS])
    more = f"; and {len(failures) - _MOST_HOSTS} more" if len(failures) > _MOST_HOSTS else ""
    return f"{name} failed on {len(failures)} of {len(job.answers())} hosts: {named}{more}."


def _reason(result: Result) -> str:
    reason = result.error or (None if result.exit_code is None else f"exit code {result.exit_code}") or result.status
    return f"{result.hostname}: {reason.rstrip('.')}"
