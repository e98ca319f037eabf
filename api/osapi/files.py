"""/api/file: OSAPI's object store, which jobqueue does not have: every route answers an error."""

from __future__ import annotations

from typing import NoReturn

from flask import Blueprint

from jobqueue.errors import InvalidInput

blueprint = Blueprint("osapi_file", __name__, url_prefix="/api/file")


class NoObjectStore(InvalidInput):
    """OSAPI's object store is not available here; the operation file.deploy.execute deploys content."""

    code = "no_object_store"


@blueprint.get("")
def list_files() -> NoReturn:
    """List objects: not available"""
    raise NoObjectStore


@blueprint.post("")
def upload_file() -> NoReturn:
    """Upload an object: not available"""
    raise NoObjectStore


@blueprint.get("/stale")
def list_stale() -> NoReturn:
    """List deployments of older objects: not available"""
    raise NoObjectStore


@blueprint.get("/<name>")
def get_file(name: str) -> NoReturn:
    """Get an object: not available"""
    raise _no_object(name)


@blueprint.delete("/<name>")
def delete_file(name: str) -> NoReturn:
    """Delete an object: not available"""
    raise _no_object(name)


def _no_object(name: str) -> NoObjectStore:
    return NoObjectStore(f"There is no object {name[:80]!r}: {NoObjectStore().message}")
