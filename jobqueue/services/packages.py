"""Packages that callers upload for their jobs."""

from __future__ import annotations

from collections.abc import Iterable

from jobqueue.errors import InvalidInput
from jobqueue.model.package import check_package_name
from jobqueue.store.packages import Packages


class PinPackages:
    """Settles which bytes a job means by the names of packages, and that they stay for it."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def __call__(self, names: Iterable[str]) -> dict[str, str]:
        """Each name's sha256 (hex). Raises ``InvalidInput`` that names what was not uploaded."""
        wanted = [check_package_name(name) for name in dict.fromkeys(names)]
        found = self._packages.pin(wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            what = f"The package {missing[0]} is" if len(missing) == 1 else f"The packages {', '.join(missing)} are"
            sentence = (
                f"{what} not here: never uploaded, or removed since, because no job used it for long. Upload it with "
                "PUT /api/packages/gcs/<name>, then submit again; Ray's client does both by itself."
            )
            raise InvalidInput(sentence, {"runtime_env": [sentence]})
        return {name: package.sha256 for name, package in found.items()}
