"""Every permission: what it lets one do, and which of the built-in roles have it."""

from __future__ import annotations

from api.auth.rules import KNOWN, PUBLIC
from docs.generate.markdown import code, codes, table
from docs.generate.operations import built_in
from docs.generate.routes import routes
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal
from jobqueue.model.role import BUILTIN


def permissions() -> list[str]:
    """All permissions that anything asks for, or a built-in role grants."""
    asked = {route.needs for route in routes()} - {PUBLIC, KNOWN, ""}
    granted = {permission for permissions in BUILTIN.values() for permission in permissions} - {EVERYTHING}
    return sorted(asked | granted | {operation.permission for operation in built_in()})


def text() -> str:
    """One table of all permissions."""
    return table(("permission", "routes", "operations", "roles"), [_row(permission) for permission in permissions()])


def roles_text() -> str:
    """One table of the built-in roles."""
    return table(("role", "grants"), [(code(name), codes(sorted(granted))) for name, granted in BUILTIN.items()])


def _row(permission: str) -> tuple[str, str, str, str]:
    served = [f"{'/'.join(route.methods)} {route.paths[0]}" for route in routes() if route.needs == permission]
    run = [operation.type for operation in built_in() if operation.permission == permission]
    roles = [name for name, granted in BUILTIN.items() if Principal(name, granted).may(permission)]
    return code(permission), "<br>".join(code(route) for route in served), "<br>".join(map(code, run)), codes(roles)
