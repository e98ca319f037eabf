"""The Python client: ``from jobqueue.client import Client``."""

from jobqueue.client.client import Client
from jobqueue.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    WaitTimeout,
)

__all__ = [
    "Client",
    "ClientError",
    "ConnectionFailed",
    "InvalidAnswer",
    "WaitTimeout",
    "ApiError",
    "InvalidRequest",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "Conflict",
    "RateLimited",
    "Unavailable",
]
