"""CA certificates that the host trusts, from objects: in the folder for local certificates of the system's own tool."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.base import operation
from jobqueue.operations.ca_bundle import MOST_CERTIFICATES, read_bundle
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, combined
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import change_text, read_text
from jobqueue.operations.object_file import object_text, put_text
from jobqueue.operations.object_reference import RequiredObjectSchema, object_permissions, with_source
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Text, shape
from jobqueue.operations.tool import apply_restored, run_tool

_READ, _WRITE = "agent:read", "certificate:write"
#: How the names of jobqueue's own files begin.
_PREFIX = "jobqueue-"
_MOST_LISTED = 1000


@dataclass(frozen=True)
class _Store:
    """Where a system keeps local certificates, and the tool that reads them.

    ``fresh`` is its option for files that have changed; ``index`` the file that names the system's own certificates.
    """

    folder: Path
    ending: str
    tool: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    index: Path | None = None

    def path(self, name: str, number: int) -> Path:
        """The file of a bundle's certificate: the tools want one certificate a file."""
        return self.folder / f"{_PREFIX}{name}{'' if number == 1 else f'.{number}'}{self.ending}"

    def paths(self, name: str) -> list[Path]:
        """The files of a bundle that are there."""
        possible = (self.path(name, number) for number in range(1, MOST_CERTIFICATES + 1))
        return [path for path in possible if path.is_symlink() or path.exists()]


_STORES = (
    # without --fresh, a certificate that has changed under the same name gets no new hash link
    _Store(
        Path("/usr/local/share/ca-certificates"),
        ".crt",
        ("update-ca-certificates",),
        ("--fresh",),
        Path("/etc/ca-certificates.conf"),
    ),
    _Store(Path("/etc/pki/ca-trust/source/anchors"), ".pem", ("update-ca-trust", "extract")),
)


def _bundle_name() -> Text:
    return Text(
        required=True,
        **shape(
            r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
            "Must be 1 to 64 letters, digits, hyphens and underscores, and begin with a letter or digit.",
        ),
    )


class BundleSchema(RequiredObjectSchema, ChangeSchema):
    name = _bundle_name()


class DeleteSchema(ChangeSchema):
    name = _bundle_name()


@operation("certificate.ca.list", permission=_READ)
def ca_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """CA certificates that were added to the host (custom), and those of its distribution (system)."""
    store = _store()
    certificates = sorted(
        [*_custom(store, context), *_system(store)], key=lambda entry: (entry["source"], entry["name"])
    )
    return {"total": len(certificates), "certificates": certificates[:_MOST_LISTED]}


@operation(
    "certificate.ca.create",
    schema=BundleSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=object_permissions,
)
def ca_create(data: dict[str, Any], context: Context) -> Outcome:
    """Have the host trust the CA certificates of an object, or replace those that jobqueue added under this name."""
    return _write(_store(), data, context)


@operation(
    "certificate.ca.update",
    schema=BundleSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=object_permissions,
)
def ca_update(data: dict[str, Any], context: Context) -> Outcome:
    """Replace the CA certificates that jobqueue added under this name."""
    store, name = _store(), data["name"]
    if not store.paths(name):
        raise OperationFailed(f"jobqueue has added no CA {name} on this host; certificate.ca.create does.")
    return _write(store, data, context)


@operation("certificate.ca.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def ca_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Remove the CA certificates that jobqueue added under this name; does nothing if there are none."""
    store, name = _store(), data["name"]
    change = _changed(store, name, [], data, context)
    if not data["check"] and context.deployments is not None:
        context.deployments.forget(str(store.path(name, 1)))
    return change_outcome(change, data, {"name": name})


def _store() -> _Store:
    for store in _STORES:
        if shutil.which(store.tool[0]) is not None and store.folder.is_dir():
            return store
    raise OperationNotSupported("This host has neither update-ca-certificates nor update-ca-trust with its folder.")


def _write(store: _Store, data: Mapping[str, Any], context: Context) -> Outcome:
    name = data["name"]
    bundle = object_text(data, context)
    certificates = read_bundle(bundle.text, f"the object {bundle.content.object}")
    change = _changed(store, name, certificates, data, context)
    answer: dict[str, Any] = {"name": name, "count": len(certificates)}
    if not data["check"]:
        answer |= bundle.record(store.path(name, 1), certificates[0], "certificate", context)
    return change_outcome(change, data, answer)


def _changed(store: _Store, name: str, certificates: list[str], data: Mapping[str, Any], context: Context) -> Change:
    """Bring the files of a bundle and what the system trusts into this state; both are restored if that fails."""
    silent = replace(context, deployments=None)
    before = {path: read_text(path) for path in store.paths(name)}
    desired = {store.path(name, number): text for number, text in enumerate(certificates, 1)}
    try:
        changes = [put_text(path, text, data, silent) for path, text in desired.items()]
        changes += [change_text(path, None, data, silent) for path in before if path not in desired]
        change = combined(changes)
        if not data["check"]:
            # another attempt may follow one that changed the files and was lost
            fresh = store.fresh if change.changed or context.attempt > 1 else ()
            run_tool([*store.tool, *fresh], context)
    except BaseException:
        for path in {*before, *desired}:
            change_text(path, before.get(path), data, silent)
        if not data["check"]:
            apply_restored([*store.tool, *store.fresh], context)
        raise
    return change


def _custom(store: _Store, context: Context) -> Iterator[dict[str, Any]]:
    own = re.compile(rf"{_PREFIX}([A-Za-z0-9][A-Za-z0-9_-]*)(\.[0-9]+)?{re.escape(store.ending)}")
    for path in store.folder.glob(f"*{store.ending}"):
        match = own.fullmatch(path.name)
        if match is None:
            yield {"name": path.name.removesuffix(store.ending), "source": "custom", "managed": False}
        elif match[2] is None:
            deployed = context.deployments.get(str(path)) if context.deployments is not None else None
            origin = {"object": deployed.object, "version": deployed.version} if deployed is not None else {}
            yield {"name": match[1], "source": "custom", "managed": True, **origin}


def _system(store: _Store) -> Iterator[dict[str, Any]]:
    lines = (read_text(store.index) or "").splitlines() if store.index is not None else []
    for line in lines:
        name = line.strip()
        if name and not name.startswith(("#", "!")):  # an exclamation mark turns a certificate off
            yield {"name": Path(name).name.removesuffix(store.ending), "source": "system", "managed": False}
