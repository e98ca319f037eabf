"""Packages that callers upload for their jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobqueue.errors import InvalidInput, RecordAltered
from jobqueue.ledger.packages import Packages, altered
from jobqueue.model.package import check_package_name
from jobqueue.services.objects import ObjectManager, resolved

#: Maximum number of names in an error message.
_NAMED = 5


class PackageResolver:
    """Resolves the packages and objects of a job to digests, and keeps these packages available for it."""

    def __init__(self, packages: Packages, objects: ObjectManager) -> None:
        self._packages = packages
        self._objects = objects

    def object(self, name: str, version: int | None) -> dict[str, Any]:
        """A version of an object (None: the newest): version, sha256 (hex), content_type, package.

        Raises ``InvalidInput`` for one that does not exist, ``RecordAltered``.
        """
        return resolved(self._objects, name, version)

    def __call__(self, names: Iterable[str]) -> dict[str, str]:
        """Each name's sha256 (hex). Raises ``InvalidInput`` that names missing packages, ``RecordAltered``."""
        unique = [check_package_name(name) for name in dict.fromkeys(names)]
        packages = self._packages.pin(unique)
        missing = [name for name in unique if name not in packages]
        if missing:
            subject = f"The package {missing[0]} is" if len(missing) == 1 else f"The packages {_list(missing)} are"
            sentence = (
                f"{subject} not stored: never uploaded, or removed because no job used it for a long time. Upload it, "
                "then submit again."
            )
            raise InvalidInput(sentence, {"runtime_env": [sentence]})
        for name, package in packages.items():
            if not self._packages.is_ours(package):
                raise RecordAltered(altered(name), {"package": name})
        return {name: package.sha256 for name, package in packages.items()}


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
