"""Classifies the error answers of a Redis server.

redis-py has classes for only some of them, and servers word the same refusal differently, especially inside a script.
The texts of the supported servers are recorded in ``tests/ledger/server_errors.json``.
"""

from __future__ import annotations

from redis.exceptions import AuthenticationError, NoPermissionError

from jobqueue.redis_refusal import server_text

#: A script used a command that its user may not run: Redis 6.2 and 7.0, then Redis 7.2 and Valkey.
_DENIED_IN_SCRIPT = ("The user executing the script can't ", "ACL failure in script: ")


def is_denial(error: Exception) -> bool:
    """Whether the server does not know our user, or the user lacks a permission, including inside a script."""
    return isinstance(error, AuthenticationError | NoPermissionError) or server_text(error).startswith(
        _DENIED_IN_SCRIPT
    )


def is_denied_loading(error: NoPermissionError) -> bool:
    """Whether our user may not load a script (EVAL), as opposed to run a command inside it."""
    return "'eval'" in server_text(error)


def is_wrong_type(error: Exception) -> bool:
    """Whether a key's type does not match the command."""
    return server_text(error).startswith("WRONGTYPE ")
