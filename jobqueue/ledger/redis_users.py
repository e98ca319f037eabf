"""Creates and removes the agents' Redis users, with credentials that may do so."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import redis
from redis.exceptions import ResponseError

from jobqueue.errors import Conflict
from jobqueue.ledger.acl import agent_user
from jobqueue.ledger.connection import connect, translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.server_error import is_denial

#: Bytes of randomness in a password.
_PASSWORD_BYTES = 32
_BY_HAND = (
    "Create the user with `jobqueue redis acl --agent HOSTNAME`, and give its address, with name and password, as the "
    "bundle's redis_url; or set JOBQUEUE_REDIS_ADMIN_URL for the API to an address with a user that may run ACL SETUSER"
)


@dataclass(frozen=True)
class RedisLogin:
    """A new Redis user. ``is_kept``: it outlives a restart of the server."""

    name: str
    password: str = field(repr=False)
    is_kept: bool


@dataclass(frozen=True)
class RemovedUser:
    """A Redis user that was removed. ``is_kept``: the server does not restore it at its next start."""

    name: str
    is_kept: bool


class RedisUsers:
    """The users of one Redis. ``url`` has the credentials; connects with the first call."""

    def __init__(self, url: str, key_prefix: str) -> None:
        self._client = connect(url)
        self._keys = Keys(key_prefix)

    def create_agent(self, hostname: str) -> RedisLogin:
        """Create the user of an agent, or replace it: an earlier password of this user is no longer valid.

        Raises ``Conflict`` if the credentials do not permit it or the server is too old, and ``LedgerUnavailable``.
        """
        user = agent_user(self._keys, hostname)
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        words = user.command(password).split(" ")[2:]
        with translated_errors():
            try:
                self._client.execute_command("ACL SETUSER", *words)
            except ResponseError as error:
                raise _refused(error) from error
            return RedisLogin(user.name, password, self._keep())

    def agent_name(self, hostname: str) -> str:
        """The name of an agent's user."""
        return agent_user(self._keys, hostname).name

    def remove_agent(self, hostname: str) -> RemovedUser | None:
        """Remove the user of an agent and end its connections; None if there was none. Raises like ``create_agent``."""
        with translated_errors():
            try:
                removed = self._client.execute_command("ACL DELUSER", agent_user(self._keys, hostname).name)
            except ResponseError as error:
                raise _refused(error) from error
            return RemovedUser(self.agent_name(hostname), self._keep()) if removed else None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _keep(self) -> bool:
        """Write the users to the server's ACL file, or to its configuration; returns whether there is either."""
        for command in ("ACL SAVE", "CONFIG REWRITE"):
            try:
                self._client.execute_command(command)
            except ResponseError:  # no such file, or no permission to write it
                continue
            return True
        return False


def _refused(error: redis.RedisError) -> Exception:
    if is_denial(error):
        return Conflict(f"The API's Redis user may not create other users ({error}). {_BY_HAND}.")
    return Conflict(
        f"Redis did not accept the agent's user ({error}); the rules need Redis 7 or Valkey. With an older Redis, give "
        "the bundle a redis_url of your own."
    )
