"""Keys, users and roles in the ledger. Every record is sealed: a record that the API did not write is ignored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from jobqueue.errors import Conflict, CredentialNotFound, NameTaken, RecordChanged
from jobqueue.ledger import decoding
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.sealed_records import SealedHash, SealedStorage
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.role import BUILTIN, Role

#: Maximum number of records of each kind; all of them are read to list them.
MOST_CREDENTIALS = 10_000
MOST_ROLES = 200
#: Characters of ``key_check``: 48 bits, which save work; security rests on the hash of the secret.
KEY_CHECK_LENGTH = 12


class Credentials:
    """The keys, users and roles of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(self, storage: SealedStorage) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._seal = storage.seal
        self._credentials = SealedHash(storage, "credentials", MOST_CREDENTIALS)
        self._roles = SealedHash(storage, "roles", MOST_ROLES)

    # --- keys and users -----------------------------------------------------------------------------------------------
    def add(self, credential: Credential) -> None:
        """Store a new credential. Raises ``NameTaken``, and ``Conflict`` if there are too many."""
        record_name = _record_name(credential.kind, credential.name)
        granted = {"roles": list(credential.roles), "permissions": list(credential.permissions)}
        details = {str(credential.kind): credential.name, **granted}
        answer = _stored(self._credentials, record_name, "", _text(credential), **details)
        if answer == "changed":
            raise NameTaken(f"The {credential.kind} {credential.name!r} already exists.")

    def change(self, kind: Kind, name: str, **changes: Any) -> Credential:
        """Change fields of a credential, and return it. Raises ``CredentialNotFound``, ``RecordChanged``."""
        record_name = _record_name(kind, name)
        sealed, before = self._must_get(kind, name)
        after = replace(before, **changes)
        if _stored(self._credentials, record_name, sealed, _text(after)) == "changed":
            raise RecordChanged
        return after

    def remove(self, kind: Kind, name: str) -> None:
        """Remove a credential. Raises ``CredentialNotFound``. Also removes a record with a broken seal."""
        record_name = _record_name(kind, name)
        sealed = self._credentials.get(record_name)
        if sealed is None:
            raise _unknown(kind, name)
        self._credentials.remove(record_name, sealed)

    def get(self, kind: Kind, name: str) -> Credential:
        """One credential, as it is now. Raises ``CredentialNotFound``."""
        return self._must_get(kind, name)[1]

    def look_up(self, kind: Kind, name: str) -> tuple[Credential | None, dict[str, Role]]:
        """One credential, or None, and all custom roles: together they determine its permissions."""
        record_name = _record_name(kind, name)
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.hget(self._credentials.key, record_name)
            pipe.hgetall(self._roles.key)
            sealed, roles = pipe.execute()
        return self._parsed(record_name, sealed), self._custom(roles)

    def all(self, kind: Kind) -> list[Credential]:
        """All credentials of one kind, by name."""
        with translated_errors(), self._client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._credentials.key)
            pipe.hgetall(self._keys.kind("used"))
            records, used = pipe.execute()
        credentials, last = [], decoding.numbers_of(used)
        for record_name in sorted(records):
            credential = self._parsed(record_name, records[record_name]) if record_name.startswith(f"{kind}:") else None
            if credential is not None:
                credentials.append(replace(credential, last_used=_when(last.get(record_name))))
        return credentials

    def used(self, kind: Kind, name: str, at: int) -> None:
        """Record when a credential was last used (microseconds)."""
        with translated_errors():
            self._client.hset(self._keys.kind("used"), _record_name(kind, name), str(at))

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
        builtin = {name: Role(name, tuple(sorted(permissions))) for name, permissions in BUILTIN.items()}
        return {**builtin, **self._custom(self._roles.all())}

    def add_role(self, role: Role) -> None:
        """Store a new role. Raises ``NameTaken``, and ``Conflict`` if there are too many."""
        details = {"role": role.name, "permissions": list(role.permissions)}
        answer = _stored(self._roles, role.name, "", _role_text(role), **details)
        if answer == "changed" or role.is_builtin:
            raise NameTaken(f"The role {role.name!r} already exists; delete it first.")

    def remove_role(self, name: str) -> None:
        """Remove a custom role. Raises ``CredentialNotFound``."""
        sealed = self._roles.get(name)
        if sealed is None:
            raise CredentialNotFound(f"Unknown custom role {name!r}; `jobqueue role list` shows all.")
        self._roles.remove(name, sealed)

    # ------------------------------------------------------------------------------------------------------------------
    def _must_get(self, kind: Kind, name: str) -> tuple[str, Credential]:
        record_name = _record_name(kind, name)
        sealed = self._credentials.get(record_name)
        credential = self._parsed(record_name, sealed)
        if sealed is None or credential is None:
            raise _unknown(kind, name)
        return sealed, credential

    def _parsed(self, record_name: str, sealed: str | None) -> Credential | None:
        text = self._credentials.open(record_name, sealed)
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
            text = self._roles.open(name, records[name])
            if text is not None and name not in BUILTIN:
                fields = json.loads(text)
                yield name, Role(name, tuple(fields["permissions"]), fields["created"])


def _stored(records: SealedHash, name: str, before: str, text: str, **details: Any) -> str:
    answer = records.put(name, before, text, **details)
    if answer == "full":
        raise Conflict(f"The limit of {records.limit} {records.kind} is reached; delete some first.")
    return answer


def _when(micros: int | None) -> int | None:
    """When a credential was last used; None for an impossible time, since this value is not sealed."""
    return micros if micros is not None and 0 <= micros <= decoding.LATEST else None


def _record_name(kind: Kind, name: str) -> str:
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
