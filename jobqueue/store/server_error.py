"""What an error answer of a Redis server means.

redis-py has a class for some of them only, and servers word the same refusal differently, above all when a script runs
into it. The texts of the supported servers are recorded in ``tests/store/server_errors.json``.
"""

from __future__ import annotations

import re

from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError

#: redis-py writes the command, which holds what users sent, before the server's text.
_PIPELINED = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
#: Redis 6.2 names the script before the text of what the script ran into.
_IN_SCRIPT = re.compile(r"^Error running script \(call to \w+\): @user_script:\d+: (?:@user_script: \d+: )?")
#: A script's command that its user may not run: Redis 6.2 and 7.0, then Redis 7.2 and Valkey.
_DENIED_IN_SCRIPT = ("The user executing the script can't ", "ACL failure in script: ")
_NO_WRITES = re.compile(r"-?(OOM|MISCONF|READONLY|LOADING|BUSY|MASTERDOWN|NOREPLICAS)\b")


def is_denial(error: Exception) -> bool:
    """Whether the server does not know our user, or the user lacks a permission, also one that a script needs."""
    return isinstance(error, AuthenticationError | NoPermissionError) or _text(error).startswith(_DENIED_IN_SCRIPT)


def is_denied_loading(error: NoPermissionError) -> bool:
    """Whether our user may not bring a script (EVAL), rather than not do what the script does."""
    return "'eval'" in _text(error)


def is_wrong_type(error: Exception) -> bool:
    """Whether a key holds another type of value than the command is for."""
    return _text(error).startswith("WRONGTYPE ")


def is_no_writes(error: Exception) -> bool:
    """Whether the server's state keeps it from writing: memory, disk, replicas, a script that does not end."""
    return isinstance(error, OutOfMemoryError) or _NO_WRITES.match(_text(error)) is not None


def _text(error: Exception) -> str:
    """The server's own text."""
    return _IN_SCRIPT.sub("", _PIPELINED.sub("", str(error)))
