"""Authentication by secret: checked with argon2 once and cached; its record is read again every second."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.credentials import KEY_CHECK_LENGTH, Credentials
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.principal import Principal
from jobqueue.model.role import BUILTIN, Role
from jobqueue.services.passwords import is_secret

logger = logging.getLogger(__name__)

#: Seconds after which one request reads the record again while others proceed, and after which all wait for it.
FRESH_SECONDS = 1.0
STALE_SECONDS = 2.0
#: Seconds for which the state of a session is cached; a session that was ended elsewhere may continue for so long.
SESSION_SECONDS = 0.5
#: Maximum number of cached secrets; the newest are kept.
_MOST = 10_000
#: Seconds between updates of a credential's last use.
_NOTE_SECONDS = 60.0
_STRIPES = 64


@dataclass
class _Known:
    """A verified secret. ``digest`` is the record's hash at that time: a password change invalidates the entry."""

    principal: Principal
    digest: str
    expires: int | None
    read: float
    noted: float = float("-inf")
    is_being_read: bool = False


class CredentialVerifier:
    """Caches verified secrets, in this process only, and as keyed hashes, never the secrets themselves."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        self._sessions: dict[str, float] = {}  # active sessions: until when that is cached
        self._roles: dict[str, Role] = {}
        self._roles_read = float("-inf")

    def verified(self, kind: Kind, name: str, secret: bytes) -> Principal | None:
        """The principal, if the secret was verified before and is unchanged. Raises ``LedgerUnavailable``."""
        digest = self._digest_of(kind, name, secret)
        entry = self._known.get(digest)
        if entry is None:
            return None
        now = time.monotonic()
        age = now - entry.read
        if age >= STALE_SECONDS or (age >= FRESH_SECONDS and not entry.is_being_read):
            entry.is_being_read = True
            try:
                if not self._refresh(entry, kind, name, now):
                    self._known.pop(digest, None)
                    return None
            finally:
                entry.is_being_read = False
        if entry.expires is not None and time.time() * 1_000_000 >= entry.expires:
            self._known.pop(digest, None)
            return None
        return entry.principal

    def check(self, kind: Kind, name: str, secret: bytes) -> Principal | None:
        """The principal, by the record and argon2; None for a wrong secret or, just as slowly, an unknown name."""
        digest = self._digest_of(kind, name, secret)
        with self._locks[digest[0] % _STRIPES]:  # of many requests with one new key, one computes
            if (principal := self.verified(kind, name, secret)) is not None:
                return principal
            now = time.monotonic()
            record, roles = self._credentials.look_up(kind, name)
            is_right = is_secret(record.digest if record else None, secret)
            if record is None or not is_right or not record.is_good(time.time_ns() // 1000):
                return None
            self._note_roles(roles, now)
            entry = _Known(principal_of(record, roles), record.digest, record.expires, now)
            self._known[digest] = entry
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            self._note_use(entry, kind, name, now)
            return entry.principal

    def is_key_of_ours(self, identity: str, secret: str) -> bool:
        """Whether this API created the key, even if it was revoked since; fast. Proves nothing else."""
        body, check = secret[:-KEY_CHECK_LENGTH], secret[-KEY_CHECK_LENGTH:]
        expected = self._credentials.key_check(identity, body)
        return hmac.compare_digest(check.encode("utf-8", "surrogatepass"), expected.encode())

    def mark(self, kind: Kind, name: str) -> str | None:
        """Identifies the present secret of a record, to which sessions are bound; None without a record."""
        record, _ = self._credentials.look_up(kind, name)
        return None if record is None else _mark(record)

    def resume(self, kind: Kind, name: str, mark: str) -> Principal | None:
        """The principal of a session bound to the secret behind ``mark``; None if that secret is no longer valid."""
        digest = self._digest_of(kind, name, f"session {mark}".encode())
        entry = self._known.get(digest)
        now = time.monotonic()
        if entry is not None and now - entry.read < FRESH_SECONDS:
            return entry.principal
        record, roles = self._credentials.look_up(kind, name)
        self._note_roles(roles, now)
        is_good = record is not None and record.is_good(time.time_ns() // 1000)
        if record is None or not is_good or not hmac.compare_digest(_mark(record), mark):
            self._known.pop(digest, None)
            return None
        entry = _Known(principal_of(record, roles), record.digest, record.expires, now)
        self._known[digest] = entry
        return entry.principal

    def end_session(self, session_id: str, until: int) -> None:
        """End a session before its expiry at ``until`` (seconds). Raises ``LedgerUnavailable``."""
        self._credentials.end_session(session_id, until)
        self._sessions.pop(session_id, None)

    def is_session_over(self, session_id: str) -> bool:
        """Whether the session was ended. Queries Redis once in ``SESSION_SECONDS``. Raises ``LedgerUnavailable``."""
        now = time.monotonic()
        if now < self._sessions.get(session_id, float("-inf")):
            return False
        if self._credentials.is_session_over(session_id):
            self._sessions.pop(session_id, None)
            return True
        if len(self._sessions) >= _MOST:
            self._sessions.clear()
        self._sessions[session_id] = now + SESSION_SECONDS
        return False

    def granted(self, roles: Iterable[str], permissions: Iterable[str]) -> frozenset[str]:
        """The permissions granted by these roles (built-in or custom) and permissions. Unknown roles grant nothing."""
        now = time.monotonic()
        names = tuple(roles)
        if now - self._roles_read >= FRESH_SECONDS and not BUILTIN.keys() >= set(names):
            self._note_roles({n: r for n, r in self._credentials.roles().items() if not r.is_builtin}, now)
        return _granted(names, permissions, self._roles)

    def forget(self) -> None:
        """Clear the cache."""
        self._known.clear()
        self._sessions.clear()
        self._roles_read = float("-inf")

    def _refresh(self, entry: _Known, kind: Kind, name: str, now: float) -> bool:
        record, roles = self._credentials.look_up(kind, name)
        self._note_roles(roles, now)
        if record is None or record.digest != entry.digest or not record.is_good(time.time_ns() // 1000):
            return False
        entry.principal, entry.expires, entry.read = principal_of(record, roles), record.expires, now
        self._note_use(entry, kind, name, now)
        return True

    def _note_use(self, entry: _Known, kind: Kind, name: str, now: float) -> None:
        if now - entry.noted < _NOTE_SECONDS:
            return
        entry.noted = now
        try:
            self._credentials.used(kind, name, time.time_ns() // 1000)
        except LedgerUnavailable as error:  # optional; whether Redis is available is checked elsewhere
            logger.warning("When %s %s was last used could not be noted: %s", kind, name, error)

    def _note_roles(self, roles: Mapping[str, Role], now: float) -> None:
        self._roles, self._roles_read = dict(roles), now

    def _digest_of(self, kind: Kind, name: str, secret: bytes) -> bytes:
        content = f"{kind.value}|{len(name)}|{name}|".encode("utf-8", "surrogatepass") + secret
        return hashlib.blake2b(content, key=self._key, digest_size=32).digest()


def _mark(record: Credential) -> str:
    return hashlib.sha256(f"session|{record.digest}".encode()).hexdigest()[:32]


def principal_of(record: Credential, roles: Mapping[str, Role]) -> Principal:
    """The principal of a record, with the permissions of these custom roles."""
    granted = _granted(record.roles, record.permissions, roles)
    makers = frozenset(record.makers)
    return Principal(record.title or record.name, granted, record.roles, str(record.kind), record.name, makers)


def _granted(roles: Iterable[str], permissions: Iterable[str], custom: Mapping[str, Role]) -> frozenset[str]:
    granted = set(permissions)
    for name in roles:
        if name in BUILTIN:
            granted |= BUILTIN[name]
        elif name in custom:
            granted |= set(custom[name].permissions)
    return frozenset(granted)
