"""Keys, users and roles in the ledger. Every record is sealed: a record that the API did not write is ignored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import redis

from jobqueue.errors import Conflict, CredentialNotFound, NameTaken, RecordChanged
from jobqueue.ledger import decoding
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import BrokenSeal, Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.role import BUILTIN, Role

#: Maximum number of records of each kind; all of them are read to list them.
MOST_CREDENTIALS = 10_000
MOST_ROLES = 200
#: Characters of ``key_check``: 48 bits, which save work; security rests on the hash of the secret.
KEY_CHECK_LENGTH = 12


class Credentials:
    """The keys, users and roles of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(
        self, client: redis.Redis, keys: Keys, scripts: Scripts, seal: Seal, alarm: TamperAlarm, audit: Audit
    ) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        self._alarm = alarm
        self._audit = audit

    # --- keys and users -----------------------------------------------------------------------------------------------
    def add(self, credential: Credential) -> None:
        """Store a new credential. Raises ``NameTaken``, and ``Conflict`` if there are too many."""
        place = _place(credential.kind, credential.name)
        granted = {"roles": list(credential.roles), "permissions": list(credential.permissions)}
        details = {str(credential.kind): credential.name, **granted}
        answer = self._write("credentials", place, "", _text(credential), MOST_CREDENTIALS, **details)
        if answer == "changed":
            raise NameTaken(f"The {credential.kind} {credential.name!r} already exists.")

    def change(self, kind: Kind, name: str, **changes: Any) -> Credential:
        """Change fields of a credential, and return it. Raises ``CredentialNotFound``, ``RecordChanged``."""
        place = _place(kind, name)
        raw, before = self._must_get(kind, name)
        after = replace(before, **changes)
        if self._write("credentials", place, raw, _text(after), MOST_CREDENTIALS) == "changed":
            raise RecordChanged
        return after

    def remove(self, kind: Kind, name: str) -> None:
        """Remove a credential. Raises ``CredentialNotFound``. Also removes a record with a broken seal."""
        place = _place(kind, name)
        with translated_errors():
            raw = self._client.hget(self._keys.kind("credentials"), place)
        if raw is None:
            raise _unknown(kind, name)
        if self._record("credentials", place, str(raw), "", MOST_CREDENTIALS) == "changed":
            raise RecordChanged

    def get(self, kind: Kind, name: str) -> Credential:
        """One credential, as it is now. Raises ``CredentialNotFound``."""
        return self._must_get(kind, name)[1]

    def look_up(self, kind: Kind, name: str) -> tuple[Credential | None, dict[str, Role]]:
        """One credential, or None, and all custom roles: together they determine its permissions."""
        place = _place(kind, name)
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.hget(self._keys.kind("credentials"), place)
            pipe.hgetall(self._keys.kind("roles"))
            raw, roles = pipe.execute()
        return self._parsed(place, raw), self._custom(roles)

    def all(self, kind: Kind) -> list[Credential]:
        """All credentials of one kind, by name."""
        with translated_errors(), self._client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._keys.kind("credentials"))
            pipe.hgetall(self._keys.kind("used"))
            records, used = pipe.execute()
        credentials, last = [], decoding.numbers_of(used)
        for place in sorted(records):
            credential = self._parsed(place, records[place]) if place.startswith(f"{kind}:") else None
            if credential is not None:
                credentials.append(replace(credential, last_used=_when(last.get(place))))
        return credentials

    def used(self, kind: Kind, name: str, at: int) -> None:
        """Record when a credential was last used (microseconds)."""
        with translated_errors():
            self._client.hset(self._keys.kind("used"), _place(kind, name), str(at))

    # --- sessions -----------------------------------------------------------------------------------------------------
    def end_session(self, session_id: str, until: int) -> None:
        """Record that a session has ended; kept until its original expiry at ``until`` (seconds)."""
        with translated_errors():
            self._client.set(self._keys.kind("ended") + session_id, "1", exat=max(until, int(time.time()) + 1))

    def is_session_over(self, session_id: str) -> bool:
        """Whether the session was ended explicitly."""
        with translated_errors():
            return bool(self._client.exists(self._keys.kind("ended") + session_id))

    def key_check(self, identity: str, secret: str) -> str:
        """A checksum at the end of an API key's secret: rejects an invented key at once, without argon2."""
        return self._seal.mark("key", f"{identity}_{secret}")[:KEY_CHECK_LENGTH]

    # --- roles --------------------------------------------------------------------------------------------------------
    def roles(self) -> dict[str, Role]:
        """All roles by name, the built-in ones first."""
        with translated_errors():
            records = self._client.hgetall(self._keys.kind("roles"))
        builtin = {name: Role(name, tuple(sorted(permissions))) for name, permissions in BUILTIN.items()}
        return {**builtin, **self._custom(records)}

    def add_role(self, role: Role) -> None:
        """Store a new role. Raises ``NameTaken``, and ``Conflict`` if there are too many."""
        details = {"role": role.name, "permissions": list(role.permissions)}
        answer = self._write("roles", role.name, "", _role_text(role), MOST_ROLES, **details)
        if answer == "changed" or role.is_builtin:
            raise NameTaken(f"The role {role.name!r} already exists; delete it first.")

    def remove_role(self, name: str) -> None:
        """Remove a custom role. Raises ``CredentialNotFound``."""
        with translated_errors():
            raw = self._client.hget(self._keys.kind("roles"), name)
        if raw is None:
            raise CredentialNotFound(f"Unknown custom role {name!r}; `jobqueue role list` shows all.")
        if self._record("roles", name, str(raw), "", MOST_ROLES) == "changed":
            raise RecordChanged

    # ------------------------------------------------------------------------------------------------------------------
    def _write(self, records: str, place: str, before: str, text: str, most: int, **details: Any) -> str:
        sealed = self._seal.close(f"{records}|{place}", text)
        answer = self._record(records, place, before, sealed, most, **details)
        if answer == "full":
            raise Conflict(f"The limit of {most} {records} is reached; delete some first.")
        return answer

    def _record(self, records: str, place: str, before: str, after: str, most: int, **details: Any) -> str:
        """The answer to a change of a record, made atomically with its audit entry."""
        arguments = (records, place, before, after, most)
        return self._audit.change(lambda entry: self._scripts.call("credential_record", *arguments, *entry), **details)

    def _must_get(self, kind: Kind, name: str) -> tuple[str, Credential]:
        place = _place(kind, name)
        with translated_errors():
            raw = self._client.hget(self._keys.kind("credentials"), place)
        credential = self._parsed(place, raw)
        if credential is None:
            raise _unknown(kind, name)
        return str(raw), credential

    def _parsed(self, place: str, raw: Any) -> Credential | None:
        text = self._opened(f"credentials|{place}", raw)
        if text is None:
            return None
        fields = json.loads(text)
        return Credential(
            **{
                **fields,
                "kind": Kind(fields["kind"]),
                "roles": tuple(fields["roles"]),
                "permissions": tuple(fields["permissions"]),
                "makers": tuple(fields.get("makers", ())),
            }
        )

    def _custom(self, records: Mapping[Any, Any]) -> dict[str, Role]:
        return dict(self._parsed_roles(records))

    def _parsed_roles(self, records: Mapping[Any, Any]) -> Iterator[tuple[str, Role]]:
        for name in sorted(records):
            text = self._opened(f"roles|{name}", records[name])
            if text is not None and name not in BUILTIN:
                fields = json.loads(text)
                yield name, Role(name, tuple(fields["permissions"]), fields["created"])

    def _opened(self, place: str, raw: Any) -> str | None:
        """The text of a record; None if it is missing, or if the API did not write it, which raises the alarm."""
        if raw is None:
            return None
        try:
            return self._seal.open(place, str(raw))
        except BrokenSeal as error:
            self._alarm(place, f"{error.message} It is ignored.")
            return None


def _when(micros: int | None) -> int | None:
    """When a credential was last used; None for an impossible time, since this value is not sealed."""
    return micros if micros is not None and 0 <= micros <= decoding.LATEST else None


def _place(kind: Kind, name: str) -> str:
    return f"{kind}:{name}"


def _unknown(kind: Kind, name: str) -> CredentialNotFound:
    return CredentialNotFound(f"Unknown {kind} {name!r}; `jobqueue {kind} list` shows all.")


def _text(credential: Credential) -> str:
    fields = asdict(replace(credential, last_used=None))
    if not credential.makers:  # an earlier version does not know them
        del fields["makers"]
    return json.dumps({**fields, "kind": str(credential.kind)})


def _role_text(role: Role) -> str:
    return json.dumps({"permissions": list(role.permissions), "created": role.created})
