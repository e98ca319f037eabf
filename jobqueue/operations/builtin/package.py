"""Packages of the system's package manager."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.ansible.change_by_module import StateChange, change_by_module
from jobqueue.operations.ansible.environment import lack_of_ansible
from jobqueue.operations.base import operation
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.package_manager import package_manager
from jobqueue.operations.schema import Flag, Schema, Text, Whole, shape

_READ, _WRITE = "agent:read", "package:write"
_MAX_LISTED = 20_000


def _package_name() -> Text:
    return Text(
        required=True,
        **shape(
            r"[A-Za-z0-9][A-Za-z0-9+._-]{0,127}(?::[a-z0-9]{1,16})?",
            "Must be the name of one package, such as nginx or libc6:i386.",
        ),
    )


class NameSchema(Schema):
    name = _package_name()


class ListSchema(Schema):
    name = Text(validate=validate.Length(1, 128), metadata={"description": "Only packages whose name contains it."})
    limit = Whole(load_default=10_000, validate=validate.Range(1, _MAX_LISTED))


class PackageSchema(ChangeSchema):
    name = _package_name()


class InstallSchema(PackageSchema):
    version = Text(
        **shape(r"[A-Za-z0-9][A-Za-z0-9+.:~_-]{0,127}", "Must be a version, such as 1.24.0-1."),
    )
    update_cache = Flag(load_default=False, metadata={"description": "Refresh the manager's lists of packages first."})


@operation("node.package.list", schema=ListSchema, permission=_READ)
def package_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Installed packages with version and size in bytes."""
    manager = package_manager()
    packages = [package for package in manager.packages(context) if data.get("name", "") in package["name"]]
    return {"manager": manager.name, "total": len(packages), "packages": packages[: data["limit"]]}


@operation("node.package.get", schema=NameSchema, permission=_READ)
def package_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One installed package."""
    manager = package_manager()
    installed = [
        package
        for package in manager.packages(context)
        if data["name"] in (package["name"], package["name"].partition(":")[0])
    ]
    if not installed:
        raise OperationFailed(f"The package {data['name']} is not installed.")
    return {"manager": manager.name, "packages": installed}


@operation("node.package.listUpdates", permission=_READ)
def package_list_updates(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Packages for which the manager's lists have a newer version."""
    manager = package_manager()
    return {"manager": manager.name, "updates": manager.available_updates(context)}


@operation(
    "node.package.install",
    schema=InstallSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    only_starts_processes=True,
    lacks=lack_of_ansible,
)
def package_install(data: dict[str, Any], context: Context) -> Outcome:
    """Install a package, or this version of it; does nothing if it is installed."""
    manager, name = package_manager(), data["name"]
    package_name = f"{name}{manager.separator}{data['version']}" if "version" in data else name
    arguments = {"name": package_name, "state": "present", "update_cache": data["update_cache"] or None}
    after = StateChange(f"package {name}", {}, {"installed": data.get("version", "yes")})
    return change_by_module(manager.module, arguments, data, context, {"name": name}, after)


@operation(
    "node.package.remove",
    schema=PackageSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    only_starts_processes=True,
    lacks=lack_of_ansible,
)
def package_remove(data: dict[str, Any], context: Context) -> Outcome:
    """Remove a package; does nothing if it is not installed."""
    name = data["name"]
    state_change = StateChange(f"package {name}", {"installed": "yes"})
    arguments = {"name": name, "state": "absent"}
    return change_by_module(package_manager().module, arguments, data, context, {"name": name}, state_change)


@operation(
    "node.package.update",
    schema=ChangeSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    only_starts_processes=True,
    lacks=lack_of_ansible,
)
def package_update(data: dict[str, Any], context: Context) -> Outcome:
    """Upgrade every package for which the manager's lists have a newer version."""
    manager = package_manager()
    state_change = StateChange("packages", {"upgraded": "no"}, {"upgraded": "yes"})
    return change_by_module(manager.module, manager.arguments_of_upgrade(), data, context, {}, state_change)
