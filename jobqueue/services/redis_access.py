"""Takes an agent's Redis user away when the agent is revoked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobqueue.errors import Conflict, LedgerUnavailable
from jobqueue.ledger.redis_users import RedisUsers
from jobqueue.settings import Settings


@dataclass(frozen=True)
class AccessTaken:
    """The outcome of removing an agent's Redis user. ``note``: what was done, or what must be done by hand."""

    user: str
    is_removed: bool
    note: str


class RedisAccess:
    """The agents' access to Redis. ``users`` connects with credentials that may change users."""

    def __init__(self, settings: Settings, users: Callable[[str, str], RedisUsers] = RedisUsers) -> None:
        self._settings = settings
        self._users = users

    def take(self, hostname: str) -> AccessTaken:
        """Remove the Redis user of an agent and end its connections. Never raises: the note says what is left to do."""
        users = self._users(self._settings.redis_admin_url or self._settings.redis_url, self._settings.key_prefix)
        name = users.agent_name(hostname)
        try:
            removed = users.remove_agent(hostname)
        except (Conflict, LedgerUnavailable) as error:
            return AccessTaken(name, False, f"{_why(error)} {_by_hand(name)}")
        finally:
            users.close()
        if removed is None:
            return AccessTaken(
                name,
                False,
                f"Redis has no user {name}. If the agent uses another user, remove that one, or change its password.",
            )
        if not removed.is_kept:
            return AccessTaken(
                name,
                True,
                f"Its Redis user {name} is removed until Redis restarts: the server could not write its users. Remove "
                "the user from the server's ACL file or configuration, too.",
            )
        return AccessTaken(name, True, f"Its Redis user {name} is removed, and its connections are closed.")


def _why(error: Conflict | LedgerUnavailable) -> str:
    if isinstance(error, LedgerUnavailable):
        return f"Its Redis user could not be removed: {error.message.rstrip('.')}."
    return "The API's Redis user may not remove other users (JOBQUEUE_REDIS_ADMIN_URL can name one that may)."


def _by_hand(name: str) -> str:
    return (
        f"Until the user is removed, the agent can still connect to Redis: run `ACL DELUSER {name}` there; where the "
        "users are in an ACL file (`aclfile`), delete its line and run `ACL LOAD`."
    )
