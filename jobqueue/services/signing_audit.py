"""Records in the audit trail the changes of signing keys that an operator makes on the API's host."""

from __future__ import annotations

import getpass
from dataclasses import replace

from jobqueue.errors import InvalidSettings
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.audit import AuditEntry
from jobqueue.plain_text import decoded, reason_of
from jobqueue.settings import SECRET_FILE, Settings


def record(settings: Settings, action: str, **details: str) -> bool:
    """Write the entry for an ``action`` that is about to happen; False if no API has run on this host.

    Only an API's secret seals entries. Raises ``LedgerUnavailable`` or ``AuditUnavailable``: the change must not be
    made.
    """
    secret = settings.api_secret or _secret(settings)
    if secret is None:
        return False
    entry = AuditEntry(
        _user(), "system", "", "", f"/signing/{action}", 0, "done", "", details={"host": settings.hostname, **details}
    )
    ledger = Ledger.open(replace(settings, api_secret=secret))
    try:
        ledger.audit.append([entry])
    finally:
        ledger.close()
    return True


def _secret(settings: Settings) -> str | None:
    path = settings.state_dir / SECRET_FILE
    try:
        return decoded(path.read_bytes()).strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise InvalidSettings(f"{path} cannot be read ({reason_of(error)}); set JOBQUEUE_API_SECRET.") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return ""
