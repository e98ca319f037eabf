"""The secrets of one host, held by its agent."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import MutableMapping
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.settings import Settings
from jobqueue.trust.secrets.redactor import Redactor
from jobqueue.trust.secrets.reference import fill_in
from workers.agent.secrets.providers import MOST, Command, Directory, Environment, Own, Provider, variable


class Vault:
    """Provides secrets to operations, and remembers all of them so that they can be redacted from output and reports.

    Thread-safe. Secrets that a job did not name are redacted as well: a command may print the files or the environment
    that hold them.
    """

    def __init__(self, providers: list[Provider]) -> None:
        self._providers = providers
        self._lock = threading.Lock()
        #: Values that were used or seen, the newest last; old values of changed secrets are kept for a while.
        self._seen: dict[str, None] = {}
        self._redactor = Redactor()

    @classmethod
    def open(cls, settings: Settings, environ: MutableMapping[str, str] | None = None) -> Vault:
        """The secrets of this host; those in ``environ`` (the process's own) are removed from it.

        Raises ``InvalidSettings``.
        """
        providers: list[Provider] = [Environment.taken_from(os.environ if environ is None else environ)]
        providers.append(Own.of(settings))
        if settings.secrets_dir:
            providers.append(Directory(settings.secrets_dir))
        if settings.secrets_command:
            providers.append(Command(settings.secrets_command))
        vault = cls(providers)
        vault.redactor()
        return vault

    def fill_in(self, data: Any, context: Context) -> Any:
        """``data`` with the secrets that it references. Raises ``OperationFailed`` for one that this host lacks."""
        return fill_in(data, lambda name: self._get(name, context))

    def redactor(self) -> Redactor:
        """A redactor for all secrets known so far. Raises ``OperationFailed`` if they cannot be read."""
        values = [value for provider in self._providers for value in provider.values()]
        with self._lock:
            self._remember(values)
            return self._redactor

    def _get(self, name: str, context: Context) -> str:
        for provider in self._providers:
            value = provider.get(name, context)
            if value is not None:
                with self._lock:
                    self._remember([value])
                return value
        raise OperationFailed(
            f"This host has no secret {name!r}. Provide it as {variable(name)}, as a file in "
            "JOBQUEUE_SECRETS_DIR, or by JOBQUEUE_SECRETS_COMMAND."
        )

    def _remember(self, values: list[str]) -> None:
        before = len(self._seen)
        self._seen |= dict.fromkeys(values)
        if len(self._seen) == before:
            return
        while len(self._seen) > 2 * MOST:
            del self._seen[next(iter(self._seen))]
        self._redactor = Redactor(self._seen)

    def guard_logs(self) -> None:
        """Redact secrets from this process's logs, tracebacks included."""
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_Cleaned(handler.formatter or logging.Formatter(), self))

    def clean(self, text: str) -> str:
        """``text`` without the secrets known so far; does not query providers."""
        return self._redactor.message(text)


class _Cleaned(logging.Formatter):
    """Redacts secrets from another formatter's lines."""

    def __init__(self, inner: logging.Formatter, vault: Vault) -> None:
        super().__init__()
        self._inner = inner
        self._vault = vault

    def format(self, record: logging.LogRecord) -> str:
        return self._vault.clean(self._inner.format(record))
