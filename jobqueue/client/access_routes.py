"""Routes of those who may use the API, and of what they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobqueue.client.routes import Routes, path_of, time_text, without_none


class AccessRoutes(Routes):
    """Keys, users, roles, and the audit trail."""

    def keys(self) -> dict[str, Any]:
        """``{"keys": [...], "total": n}``: all API keys, without their secrets."""
        return self._object("GET", "/key")

    def create_key(
        self,
        name: str,
        *,
        roles: Sequence[str] = (),
        permissions: Sequence[str] = (),
        expires_at: datetime | str | None = None,
    ) -> dict[str, Any]:
        """The new API key; its ``key`` is shown this once."""
        return self._object("POST", "/key", body=_access(name, roles, permissions, expires_at))

    def revoke_key(self, key_id: str) -> None:
        """Remove an API key."""
        self._http.request("DELETE", path_of("/key", key_id))

    def users(self) -> dict[str, Any]:
        """``{"users": [...], "total": n}``."""
        return self._object("GET", "/user")

    def create_user(
        self,
        name: str,
        password: str | None = None,
        *,
        roles: Sequence[str] = (),
        permissions: Sequence[str] = (),
        expires_at: datetime | str | None = None,
    ) -> dict[str, Any]:
        """The new user; a generated password is returned, this once, if none is given."""
        body = _access(name, roles, permissions, expires_at)
        return self._object("POST", "/user", body=body if password is None else {**body, "password": password})

    def set_password(self, name: str, password: str | None = None) -> dict[str, Any]:
        """``{"name", "password"}``; a generated password is returned, this once, if none is given."""
        body = {} if password is None else {"password": password}
        return self._object("PUT", path_of("/user", name, "password"), body=body)

    def disable_user(self, name: str) -> dict[str, Any]:
        """Disable a user, and return it."""
        return self._object("POST", path_of("/user", name, "disable"), repeatable=True)

    def enable_user(self, name: str) -> dict[str, Any]:
        """Enable a user again, and return it."""
        return self._object("POST", path_of("/user", name, "enable"), repeatable=True)

    def delete_user(self, name: str) -> None:
        """Remove a user."""
        self._http.request("DELETE", path_of("/user", name))

    def roles(self) -> dict[str, Any]:
        """``{"roles": [...], "total": n}``, the built-in ones first."""
        return self._object("GET", "/role")

    def create_role(self, name: str, permissions: Sequence[str]) -> dict[str, Any]:
        """The new role."""
        return self._object("POST", "/role", body={"name": name, "permissions": list(permissions)})

    def delete_role(self, name: str) -> None:
        """Remove an unused custom role."""
        self._http.request("DELETE", path_of("/role", name))

    def audit(
        self, *, limit: int = 100, before: int | None = None, after: int | None = None, who: str | None = None
    ) -> dict[str, Any]:
        """``{"entries": [...], "total": n}``: newest first, or with ``after`` those after a number, oldest first."""
        query = {"limit": limit, "before": before, "after": after, "who": who}
        return self._object("GET", "/audit", query=without_none(query))

    def verify_audit(self) -> dict[str, Any]:
        """``{"valid", "entries", "first", "last", "problems"}``: whether the audit trail is intact."""
        return self._object("GET", "/audit/verify")


def _access(
    name: str, roles: Sequence[str], permissions: Sequence[str], expires_at: datetime | str | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name, "roles": list(roles), "permissions": list(permissions)}
    return body if expires_at is None else {**body, "expires_at": time_text(expires_at)}
