"""Telling who somebody is by a secret: checked once with argon2 and remembered, its record looked at every second."""

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

#: Seconds after which one request looks at the record again while others go on, and after which all wait for it.
FRESH_SECONDS = 1.0
STALE_SECONDS = 2.0
#: Seconds for which a session is not asked for again: one that was ended elsewhere may go on for so long.
SESSION_SECONDS = 0.5
#: Secrets that are remembered, the newest.
_MOST = 10_000
#: Seconds between notes of when something was used last.
_NOTE_SECONDS = 60.0
_STRIPES = 64


@dataclass
class _Known:
    """A secret that was right. ``digest`` is the record's hash then: with another password it is not known any more."""

    principal: Principal
    digest: str
    expires: int | None
    read: float
    noted: float = float("-inf")
    is_being_read: bool = False


class CredentialVerifier:
    """Remembers, in this process only, which secrets were right; under a keyed hash, never the secrets themselves."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        self._sessions: dict[str, float] = {}  # those that are not over: until when that is believed
        self._roles: dict[str, Role] = {}
        self._roles_read = float("-inf")

    def known(self, kind: Kind, name: str, secret: bytes) -> Principal | None:
        """Who this is, if the secret was right before and nothing changed since. Raises ``LedgerUnavailable``."""
        place = self._place(kind, name, secret)
        found = self._known.get(place)
        if found is None:
            return None
        now = time.monotonic()
        age = now - found.read
        if age >= STALE_SECONDS or (age >= FRESH_SECONDS and not found.is_being_read):
            found.is_being_read = True
            try:
                if not self._refresh(found, kind, name, now):
                    self._known.pop(place, None)
                    return None
            finally:
                found.is_being_read = False
        if found.expires is not None and time.time() * 1_000_000 >= found.expires:
            self._known.pop(place, None)
            return None
        return found.principal

    def check(self, kind: Kind, name: str, secret: bytes) -> Principal | None:
        """Who this is, by the record and argon2; None for a wrong secret, and for whom nobody knows: just as slowly."""
        place = self._place(kind, name, secret)
        with self._locks[place[0] % _STRIPES]:  # of many requests with one new key, one computes
            if (principal := self.known(kind, name, secret)) is not None:
                return principal
            now = time.monotonic()
            record, roles = self._credentials.look_up(kind, name)
            is_right = is_secret(record.digest if record else None, secret)
            if record is None or not is_right or not record.is_good(time.time_ns() // 1000):
                return None
            self._note_roles(roles, now)
            found = _Known(principal_of(record, roles), record.digest, record.expires, now)
            self._known[place] = found
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            self._note_use(found, kind, name, now)
            return found.principal

    def is_key_of_ours(self, identity: str, secret: str) -> bool:
        """Whether an API key was made here, also if it was revoked since; quick. Says nothing else of it."""
        body, check = secret[:-KEY_CHECK_LENGTH], secret[-KEY_CHECK_LENGTH:]
        expected = self._credentials.key_check(identity, body)
        return hmac.compare_digest(check.encode("utf-8", "surrogatepass"), expected.encode())

    def mark(self, kind: Kind, name: str) -> str | None:
        """Tells whether a session was begun with the secret that a record has now; None if there is no record."""
        record, _ = self._credentials.look_up(kind, name)
        return None if record is None else _mark(record)

    def resume(self, kind: Kind, name: str, mark: str) -> Principal | None:
        """Who this is, whose session was begun with the secret behind ``mark``; None if that is over."""
        place = self._place(kind, name, f"session {mark}".encode())
        found = self._known.get(place)
        now = time.monotonic()
        if found is not None and now - found.read < FRESH_SECONDS:
            return found.principal
        record, roles = self._credentials.look_up(kind, name)
        self._note_roles(roles, now)
        is_good = record is not None and record.is_good(time.time_ns() // 1000)
        if record is None or not is_good or not hmac.compare_digest(_mark(record), mark):
            self._known.pop(place, None)
            return None
        found = _Known(principal_of(record, roles), record.digest, record.expires, now)
        self._known[place] = found
        return found.principal

    def end_session(self, session_id: str, until: int) -> None:
        """A session is over, which would have ended by itself at ``until`` (seconds). Raises ``LedgerUnavailable``."""
        self._credentials.end_session(session_id, until)
        self._sessions.pop(session_id, None)

    def is_session_over(self, session_id: str) -> bool:
        """Whether somebody has ended it. Asked of Redis once in ``SESSION_SECONDS``. Raises ``LedgerUnavailable``."""
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
        """What these roles, custom ones among them, and permissions grant together. An unknown role grants nothing."""
        now = time.monotonic()
        wanted = tuple(roles)
        if now - self._roles_read >= FRESH_SECONDS and not BUILTIN.keys() >= set(wanted):
            self._note_roles({n: r for n, r in self._credentials.roles().items() if not r.is_builtin}, now)
        return _granted(wanted, permissions, self._roles)

    def forget(self) -> None:
        """Forget all that is remembered."""
        self._known.clear()
        self._sessions.clear()
        self._roles_read = float("-inf")

    def _refresh(self, found: _Known, kind: Kind, name: str, now: float) -> bool:
        record, roles = self._credentials.look_up(kind, name)
        self._note_roles(roles, now)
        if record is None or record.digest != found.digest or not record.is_good(time.time_ns() // 1000):
            return False
        found.principal, found.expires, found.read = principal_of(record, roles), record.expires, now
        self._note_use(found, kind, name, now)
        return True

    def _note_use(self, found: _Known, kind: Kind, name: str, now: float) -> None:
        if now - found.noted < _NOTE_SECONDS:
            return
        found.noted = now
        try:
            self._credentials.used(kind, name, time.time_ns() // 1000)
        except LedgerUnavailable as error:  # only a note; whether the request can be served shows by itself
            logger.warning("When %s %s was last used could not be noted: %s", kind, name, error)

    def _note_roles(self, roles: Mapping[str, Role], now: float) -> None:
        self._roles, self._roles_read = dict(roles), now

    def _place(self, kind: Kind, name: str, secret: bytes) -> bytes:
        content = f"{kind.value}|{len(name)}|{name}|".encode("utf-8", "surrogatepass") + secret
        return hashlib.blake2b(content, key=self._key, digest_size=32).digest()


def _mark(record: Credential) -> str:
    return hashlib.sha256(f"session|{record.digest}".encode()).hexdigest()[:32]


def principal_of(record: Credential, roles: Mapping[str, Role]) -> Principal:
    """Who somebody with this record is, and may do with these custom roles."""
    granted = _granted(record.roles, record.permissions, roles)
    return Principal(record.title or record.name, granted, record.roles, str(record.kind), record.name)


def _granted(roles: Iterable[str], permissions: Iterable[str], custom: Mapping[str, Role]) -> frozenset[str]:
    found = set(permissions)
    for name in roles:
        if name in BUILTIN:
            found |= BUILTIN[name]
        elif name in custom:
            found |= set(custom[name].permissions)
    return frozenset(found)
