"""What an operation's run needs of the host's secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from jobqueue.trust.secrets.redactor import Redactor

if TYPE_CHECKING:
    from jobqueue.operations.context import Context


class Secrets(Protocol):
    """The secrets of one host."""

    def fill_in(self, data: Any, context: Context) -> Any:
        """``data`` with the secrets that it names. Raises ``OperationFailed`` for one that this host does not have."""

    def redactor(self) -> Redactor:
        """What takes out all secrets that are known by now. Raises ``OperationFailed`` if they cannot be read."""
