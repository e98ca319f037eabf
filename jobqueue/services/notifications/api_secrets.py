"""Secrets of the API's own hosts, which channels name. Their values are never stored in Redis, logged or returned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jobqueue.file_rights import others_may_write
from jobqueue.plain_text import decoded
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.settings import Settings
from jobqueue.trust.secrets.reference import variable

#: Bytes of the longest secret.
_LONGEST = 16 * 1024


class ApiSecrets:
    """Reads ``JOBQUEUE_SECRET_<NAME>`` of this process's environment, and files in ``JOBQUEUE_SECRETS_DIR``."""

    def __init__(self, directory: Path | None, environ: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._environ = os.environ if environ is None else environ

    @classmethod
    def of(cls, settings: Settings) -> ApiSecrets:
        return cls(settings.secrets_dir)

    def get(self, name: str) -> str:
        """The value of a secret. Raises ``DeliveryFailed``, which names the secret and never shows its value."""
        value = self._environ.get(variable(name)) or self._file(name)
        if not value:
            raise DeliveryFailed(
                f"The API has no secret {name!r}: set {variable(name)} in its environment, or store it as a file of "
                "this name in JOBQUEUE_SECRETS_DIR."
            )
        return value

    def _file(self, name: str) -> str:
        if self._directory is None:
            return ""
        try:
            with (self._directory / name).open("rb") as file:
                if others_may_write(file):
                    raise DeliveryFailed(f"Other users may write to the secret {name!r} of the API: chmod go-w.")
                return decoded(file.read(_LONGEST)).removesuffix("\n").removesuffix("\r")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            raise DeliveryFailed(f"The secret {name!r} of the API cannot be read.") from error
