"""The Python client: ``from jobqueue.client import Client``; for asyncio, ``AsyncClient``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobqueue.client.client import Client
from jobqueue.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    JobFailed,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    WaitTimeout,
)
from jobqueue.client.jobs import Job
from jobqueue.client.object_methods import JobClient, JobOptions
from jobqueue.client.objects import Agent, JobInfo, Result

if TYPE_CHECKING:
    from jobqueue.client.async_client import AsyncClient, AsyncJob

__all__ = [
    "Client",
    "AsyncClient",
    "JobClient",
    "JobOptions",
    "Job",
    "AsyncJob",
    "JobInfo",
    "Result",
    "Agent",
    "ClientError",
    "ConnectionFailed",
    "InvalidAnswer",
    "WaitTimeout",
    "JobFailed",
    "ApiError",
    "InvalidRequest",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "Conflict",
    "RateLimited",
    "Unavailable",
]


def __getattr__(name: str) -> Any:
    """Import what needs asyncio when it is used: the command line does not need it, and starts faster without."""
    if name in ("AsyncClient", "AsyncJob"):
        from jobqueue.client import async_client

        return getattr(async_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
