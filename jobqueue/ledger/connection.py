"""The connection to Redis, from a URL: redis://, rediss://, unix:// or sentinel://."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from jobqueue.errors import JobQueueError, LedgerRefuses, LedgerUnavailable, RecordAltered
from jobqueue.ledger.server_error import is_denial, is_wrong_type
from jobqueue.redis_clients_limit import TOO_MANY_CLIENTS
from jobqueue.redis_driver import driver_options
from jobqueue.redis_refusal import refusal_of
from jobqueue.redis_url import RedisUrl

#: Seconds after which a connection attempt, or a command without an answer, fails.
CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 1.5
#: Maximum number of connections of one process; a server's own limit is 10,000 by default.
MAX_CONNECTIONS = 8192

_UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, MasterNotFoundError)
#: The attribute of an error that says whether the command was sent.
_SENT = "jobqueue_sent"
#: How the ledger's scripts name a key of a wrong type (lua/include/damage_guard.lua).
_DAMAGED = re.compile(r"WRONGTYPE the key '(.+)' holds a (\w+)", re.DOTALL)


def mark_sent(error: RedisError, *, is_sent: bool) -> None:
    """Note on the error whether the command was sent to the server at least once, so that it may have run."""
    setattr(error, _SENT, is_sent)


class _TranslatedErrors:
    """The block of ``translated_errors``. A class, since each call of the ledger passes through one."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, RedisError):
            translated = _translated(error)
            if translated is not None:
                raise translated from error


_TRANSLATED_ERRORS = _TranslatedErrors()


def translated_errors() -> _TranslatedErrors:
    """Translate redis-py's errors for an unreachable or refusing Redis into ``LedgerUnavailable``.

    ``LedgerRefuses`` if the server answers but cannot serve now (``jobqueue/redis_refusal.py``).
    """
    return _TRANSLATED_ERRORS


def _translated(error: RedisError) -> JobQueueError | None:
    """The error that replaces one of redis-py's; None to let it propagate: a failing script is our bug."""
    if is_denial(error):
        return _refused(error)
    refusal = refusal_of(error)
    if refusal is not None:
        return LedgerRefuses(f"{refusal.sentence}: {error}", sentence=f"{refusal.sentence}.")
    if isinstance(error, _UNAVAILABLE):
        if TOO_MANY_CLIENTS in str(error):
            return LedgerUnavailable(
                f"Redis accepts no further connections: {error}. Raise its setting maxclients; `jobqueue check` shows "
                "how many agents fit. This process retries."
            )
        unavailable = LedgerUnavailable(f"Redis cannot be reached: {error}")
        unavailable.may_have_run = getattr(error, _SENT, False)
        return unavailable
    if is_wrong_type(error):
        return RecordAltered(_damaged(str(error)))
    return None


def _damaged(text: str) -> str:
    """Which key is damaged, as far as Redis names it, and how to repair it."""
    match = _DAMAGED.search(text)
    key = f"The key {match[1]!r} in Redis holds a {match[2]}" if match else "A key in Redis holds another type of value"
    return f"{key}, which the ledger did not put there. `jobqueue doctor` finds and repairs the damage."


def _refused(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"Redis refuses the user of JOBQUEUE_REDIS_URL: {error}. Check its credentials, and that it has the "
        "rules that `jobqueue redis acl` of this version prints."
    )


def connect(url: str) -> redis.Redis:
    """A client with a pool; connects lazily. All of the ledger's verbs are safe to repeat, so a lost answer is
    requested again (at worst, the second answer is that the step was already taken).

    ``url`` is a ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://`` address (``jobqueue/redis_url.py``).
    """
    address = RedisUrl.parse(url)
    options: dict[str, Any] = {
        "decode_responses": True,
        # bytes that are not UTF-8 were not written by us; they must not make the rest of the record unreadable
        "encoding_errors": "replace",
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": COMMAND_TIMEOUT,
        "health_check_interval": 30,
        # each follower of live output holds one while it waits
        "max_connections": MAX_CONNECTIONS,
        # an unresponsive Redis stays so for a while: fail fast, and let the caller retry
        "retry": Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.02), 2, supported_errors=(RedisConnectionError,)),
        **driver_options(),
    }
    if address.scheme != "unix":
        options["socket_keepalive"] = True
    if address.scheme != "sentinel":
        return redis.Redis.from_url(url, **options)
    sentinel = Sentinel(
        address.hosts,
        sentinel_kwargs={
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": COMMAND_TIMEOUT,
            "password": address.sentinel_password,
            # redis-py's default would pause before it tries the next Sentinel
            "retry": Retry(NoBackoff(), 0),
            **driver_options(),
        },
        db=address.db,
        username=address.username,
        password=address.password,
        **options,
    )
    client: redis.Redis = sentinel.master_for(address.service)
    return client
