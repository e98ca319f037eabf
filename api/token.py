"""The token and the secret of an API that was given none."""

from __future__ import annotations

import secrets
from pathlib import Path

from jobqueue.atomic_file import create_file
from jobqueue.errors import InvalidSettings
from jobqueue.plain_text import decoded
from jobqueue.settings import SECRET_FILE, TOKEN_FILE, Settings


def ensure_token(settings: Settings) -> tuple[str, Path | None]:
    """``(token, the file that it was written to just now, if any)``.

    A new token goes to ``<state_dir>/admin.token``, readable by its owner alone, where the client looks for it too.
    Raises ``InvalidSettings`` if that cannot be written.
    """
    if settings.token:
        return settings.token, None
    return _ensure(settings, TOKEN_FILE, "JOBQUEUE_TOKEN")


def ensure_secret(settings: Settings) -> str:
    """The secret that seals the API's records; a new one is stored in ``<state_dir>/api.secret``.

    Raises ``InvalidSettings`` if that cannot be written.
    """
    return settings.api_secret or _ensure(settings, SECRET_FILE, "JOBQUEUE_API_SECRET")[0]


def _ensure(settings: Settings, file_name: str, name: str) -> tuple[str, Path | None]:
    path = settings.state_dir / file_name
    try:
        is_new = create_file(path, f"{secrets.token_urlsafe(32)}\n")
        token = decoded(path.read_bytes()).strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidSettings(f"{path} cannot be written ({reason}); set {name}.") from error
    if not token:
        raise InvalidSettings(f"{path} is empty; remove it, or set {name}.")
    return token, path if is_new else None
