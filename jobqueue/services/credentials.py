"""Creates, changes and removes keys, users and roles. A caller cannot grant more than its own permissions."""

from __future__ import annotations

import difflib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from jobqueue.errors import InvalidInput, PermissionDenied, RoleInUse
from jobqueue.ledger.credentials import Credentials
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.grant import EVERYTHING, parse_grant
from jobqueue.model.principal import Principal, check_name
from jobqueue.model.role import BUILTIN, KNOWN, Role
from jobqueue.services import grants
from jobqueue.services.credential_verifier import principal_of
from jobqueue.services.passwords import hash_secret
from jobqueue.targets.fleet import Fleet

#: Prefix of every API key, by which scanners of sources and logs can recognize one.
KEY_PREFIX = "jq_"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 12
LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
#: Maximum number of roles of one key or user.
MAX_ROLES = 50
#: Maximum number of principals that a credential records as its makers.
MAX_MAKERS = 20
#: Similarity of two permissions above which one is taken for a typing error.
_NEAR = 0.8


class CredentialManager:
    """The use cases of ``/key``, ``/user`` and ``/role``. ``by`` is the caller, whose own permissions are the limit.

    ``offered`` are the permissions that operations require. ``fleet`` reads the registry, to find typing errors in the
    targets of grants.
    """

    def __init__(
        self, credentials: Credentials, offered: Iterable[str] = (), fleet: Callable[[], Fleet] = lambda: Fleet(())
    ) -> None:
        self._credentials = credentials
        self._offered = frozenset(offered)
        self._fleet = fleet

    # --- keys ---------------------------------------------------------------------------------------------------------
    def create_key(
        self,
        by: Principal,
        title: str,
        roles: Iterable[str] = (),
        permissions: Iterable[str] = (),
        expires: int | None = None,
    ) -> tuple[Credential, str]:
        """A new key and, this once, its text with the secret. ``expires`` is in microseconds."""
        check_name(title, "name")
        self._require_own_name(by, title)
        identity = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
        secret = secrets.token_urlsafe(32)
        secret += self._credentials.key_check(identity, secret)
        record = self._record(by, Kind.KEY, identity, secret.encode(), roles, permissions, expires)
        record = replace(record, title=title)
        self._credentials.add(record)
        return record, f"{KEY_PREFIX}{identity}_{secret}"

    def all_keys(self) -> list[Credential]:
        """All keys."""
        return self._credentials.all(Kind.KEY)

    def revoke_key(self, identity: str) -> None:
        """Remove a key; it stops working within two seconds. Raises ``CredentialNotFound``."""
        self._credentials.remove(Kind.KEY, identity)

    # --- users --------------------------------------------------------------------------------------------------------
    def create_user(
        self,
        by: Principal,
        name: str,
        password: str | None = None,
        roles: Iterable[str] = (),
        permissions: Iterable[str] = (),
        expires: int | None = None,
    ) -> tuple[Credential, str | None]:
        """A new user, with the password if one was generated. Raises ``NameTaken``."""
        check_name(name)
        self._require_own_name(by, name)
        generated = None if password is not None else secrets.token_urlsafe(18)
        secret = _password(generated if password is None else password)
        record = self._record(by, Kind.USER, name, secret, roles, permissions, expires)
        self._credentials.add(record)
        return record, generated

    def all_users(self) -> list[Credential]:
        """All users."""
        return self._credentials.all(Kind.USER)

    def set_password(self, by: Principal, name: str, password: str | None = None) -> str | None:
        """Set a user's password, and return it if it was generated. The old password becomes invalid.

        Raises ``CredentialNotFound``, and ``PermissionDenied`` if the user has permissions that ``by`` lacks: setting
        the password allows acting as that user.
        """
        self._require_at_least(by, name)
        generated = None if password is not None else secrets.token_urlsafe(18)
        digest = hash_secret(_password(generated if password is None else password))
        makers = self._credentials.get(Kind.USER, name).makers
        if by.identity != f"{Kind.USER}:{name}":
            makers = _within_limit({*makers, *_makers(by)}, by)
        self._credentials.change(Kind.USER, name, digest=digest, makers=makers)
        return generated

    def set_disabled(self, by: Principal, name: str, disabled: bool) -> Credential:
        """Disable a user, or enable it again. Raises ``CredentialNotFound``."""
        if not disabled:
            self._require_at_least(by, name)
        return self._credentials.change(Kind.USER, name, disabled=disabled)

    def delete_user(self, name: str) -> None:
        """Remove a user. Raises ``CredentialNotFound``."""
        self._credentials.remove(Kind.USER, name)

    # --- roles --------------------------------------------------------------------------------------------------------
    def create_role(self, by: Principal, name: str, permissions: Iterable[str]) -> Role:
        """A new custom role. Raises ``NameTaken``."""
        granted = self._meant(permissions)
        for permission in granted:
            grants.require(by, permission)
        role = Role(check_name(name), granted, _now())
        self._credentials.add_role(role)
        return role

    def all_roles(self) -> list[Role]:
        """All roles, the built-in ones first."""
        return list(self._credentials.roles().values())

    def delete_role(self, name: str) -> None:
        """Remove an unused custom role. Raises ``CredentialNotFound``, ``RoleInUse``, ``InvalidInput``."""
        if name in BUILTIN:
            raise InvalidInput(f"The role {name} is built in; it cannot be deleted.", {"name": ["built in"]})
        holders = [record for kind in Kind for record in self._credentials.all(kind) if name in record.roles]
        if holders:
            # else their holders would get a later role of this name
            names = ", ".join(f"{record.kind} {record.name}" for record in holders[:5])
            raise RoleInUse(f"The role {name} is in use ({names}); remove those first.", {"used_by": names})
        self._credentials.remove_role(name)

    # ------------------------------------------------------------------------------------------------------------------
    def _meant(self, permissions: Iterable[str]) -> tuple[str, ...]:
        """The permissions; raises ``InvalidInput`` for an unknown one that resembles a known one.

        Other unknown permissions are accepted: an operation that requires them may be installed later.
        """
        checked = grants.spelled(permissions)
        all_permissions = {*KNOWN, *self._offered}
        all_permissions |= {
            EVERYTHING,
            *(f"{permission.partition(':')[0]}:{EVERYTHING}" for permission in all_permissions),
        }
        for text in (parse_grant(grant).permission for grant in checked):
            near = (
                []
                if text in all_permissions
                else difflib.get_close_matches(text, sorted(all_permissions), n=1, cutoff=_NEAR)
            )
            if near:
                sentence = f"Unknown permission {text!r}. Did you mean {near[0]}?"
                raise InvalidInput.of("permissions", sentence)
        if any(parse_grant(grant).target is not None for grant in checked):
            grants.refuse_doubtful(checked, self._fleet())
        return checked

    def _record(
        self,
        by: Principal,
        kind: Kind,
        name: str,
        secret: bytes,
        roles: Iterable[str],
        permissions: Iterable[str],
        expires: int | None,
    ) -> Credential:
        if expires is not None and expires <= _now():
            raise InvalidInput.of("expires_at", "In the past; give a later time, or leave it out.")
        role_names = tuple(sorted(set(roles)))
        all_roles = self._credentials.roles()
        unknown = [role for role in role_names if role not in all_roles]
        if unknown or len(role_names) > MAX_ROLES:
            sentence = (
                f"Unknown role {unknown[0][:80]!r}; `jobqueue role list` shows all." if unknown else "Too many roles."
            )
            raise InvalidInput.of("roles", sentence)
        direct = self._meant(permissions)
        if not role_names and not direct:
            sentence = "Give roles, permissions or both; a credential without any would be useless."
            raise InvalidInput.of("roles", sentence)
        for permission in sorted(
            {*direct, *(granted for role in role_names for granted in all_roles[role].permissions)}
        ):
            grants.require(by, permission)
        return Credential(
            kind=kind,
            name=name,
            digest=hash_secret(secret),
            roles=role_names,
            permissions=direct,
            created=_now(),
            created_by=by.name,
            expires=expires,
            makers=_makers(by),
        )

    def _require_own_name(self, by: Principal, name: str) -> None:
        """Raise ``PermissionDenied`` for the name of other credentials: what belongs to a name, such as jobs, and a
        place in ``run_by``, would belong to the new ones as well.
        """
        if by.may(EVERYTHING) or name == by.name:
            return
        users = [self._credentials.look_up(Kind.USER, name)[0]]
        for credential in [*(user for user in users if user is not None), *self._credentials.all(Kind.KEY)]:
            if (credential.title or credential.name) == name and credential.created_by != by.name:
                raise PermissionDenied(
                    f"The {credential.kind} {credential.name} has the name {name!r}, and {by.name} did not create it: "
                    "their jobs and permissions would be shared; choose another name, or ask an administrator."
                )

    def _require_at_least(self, by: Principal, name: str) -> None:
        """Raise ``PermissionDenied`` unless ``by`` has all permissions of the user."""
        credential, roles = self._credentials.look_up(Kind.USER, name)
        if credential is not None:
            for permission in sorted(principal_of(credential, roles).permissions):
                grants.require(by, permission)


def _makers(by: Principal) -> tuple[str, ...]:
    """The principals that may know the secret that ``by`` makes and could approve their own jobs with it."""
    return _within_limit(by.acting_as if by.has_limits or by.makers else (), by)


def _within_limit(makers: Iterable[str], by: Principal) -> tuple[str, ...]:
    recorded = tuple(sorted(set(makers)))
    if len(recorded) > MAX_MAKERS:
        raise PermissionDenied(
            f"At most {MAX_MAKERS} principals with a limit may have made a credential, one from another, and this one "
            f"would be of {len(recorded)}. An administrator can do what {by.name} cannot."
        )
    return recorded


def _password(text: str | None) -> bytes:
    raw = (text or "").encode("utf-8", "surrogatepass")
    if not LEAST_PASSWORD <= len(raw) <= MOST_PASSWORD or any(character < " " for character in text or ""):
        sentence = f"Must be {LEAST_PASSWORD} to {MOST_PASSWORD} bytes long, without control characters."
        raise InvalidInput.of("password", sentence)
    return raw


def _now() -> int:
    return time.time_ns() // 1000
