"""Hashing secrets with argon2, without blocking the loop that serves requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from jobqueue.errors import TooManyRequests
from jobqueue.native_threads import NativeThreads

T = TypeVar("T")

#: OWASP's minimum (argon2id, 19 MiB, two passes): about 20 ms of one core.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: Concurrent hashes, and how many may wait for their turn: logins must not exhaust the server's memory.
_AT_ONCE = 2
_WAITING = 64

_threads = NativeThreads(_AT_ONCE)
_count = threading.BoundedSemaphore(_AT_ONCE + _WAITING)


def hash_secret(secret: bytes) -> str:
    """The hash of a secret, including its salt and parameters."""
    return str(_beside(_HASHER.hash, secret))


def is_secret(digest: str | None, secret: bytes) -> bool:
    """Whether ``digest`` is the hash of this secret; for None, False after the same time."""
    matches = bool(_beside(_verify, digest if digest is not None else _dummy_hash(), secret))
    return matches and digest is not None


def _verify(digest: str, secret: bytes) -> bool:
    try:
        return _HASHER.verify(digest, secret)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _dummy_hash() -> str:
    """A dummy hash, so that checking an unknown name takes as long."""
    return str(_beside(_HASHER.hash, b"\x00" * 32))


def _beside(function: Callable[..., T], *args: Any) -> T:
    """Call it in a separate thread if gevent serves requests in this one: argon2 would block all of them."""
    if not _count.acquire(blocking=False):
        raise TooManyRequests("Too many logins at the same time; try again in a second.", retry_after=1)
    try:
        return _threads.call(function, *args)
    finally:
        _count.release()
