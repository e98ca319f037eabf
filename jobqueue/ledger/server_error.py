"""What an error answer of a Redis server means.

redis-py has a class for some of them only, and servers word the same refusal differently, above all when a script runs
into it. The texts of the supported servers are recorded in ``tests/ledger/server_errors.json``.
"""

from __future__ import annotations

from redis.exceptions import AuthenticationError, NoPermissionError

from jobqueue.redis_refusal import server_text

#: A script's command that its user may not run: Redis 6.2 and 7.0, then Redis 7.2 and Valkey.
_DENIED_IN_SCRIPT = ("The user executing the script can't ", "ACL failure in script: ")


def is_denial(error: Exception) -> bool:
    """Whether the server does not know our user, or the user lacks a permission, also one that a script needs."""
    return isinstance(error, AuthenticationError | NoPermissionError) or server_text(error).startswith(
        _DENIED_IN_SCRIPT
    )


def is_denied_loading(error: NoPermissionError) -> bool:
    """Whether our user may not bring a script (EVAL), rather than not do what the script does."""
    return "'eval'" in server_text(error)


def is_wrong_type(error: Exception) -> bool:
    """Whether a key holds another type of value than the command is for."""
    return server_text(error).startswith("WRONGTYPE ")
