"""Objects of the store, and recorded deployments, for operations that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.model.deployment import Deployment


class Packages:
    """Packages as files, by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def put(self, content: bytes) -> str:
        """Store content; returns its digest."""
        digest = sha256(content).hexdigest()
        (self._folder / digest).write_bytes(content)
        return digest

    @contextmanager
    def open(self, name: str, digest: str | None, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        path = self._folder / str(digest)
        if not path.exists():
            raise OperationFailed(f"The package {name} is damaged")
        yield path


class Log:
    """Deployments in memory."""

    def __init__(self) -> None:
        self.paths: dict[str, Deployment] = {}
        self.trouble = ""

    def record(self, path: str, deployment: Deployment) -> str:
        self.paths[path] = deployment
        return self.trouble

    def forget(self, path: str) -> None:
        self.paths.pop(path, None)

    def get(self, path: str) -> Deployment | None:
        return self.paths.get(path)


class Objects:
    """A store with objects; ``context`` are the fields of a run's context that reach it."""

    def __init__(self, folder: Path) -> None:
        self._packages = Packages(folder / "packages")
        self.log = Log()
        self.context: dict[str, Any] = {"packages": self._packages, "deployments": self.log, "job_id": "job"}

    def refer(self, name: str, content: str | bytes, content_type: str = "raw", version: int = 1) -> dict[str, Any]:
        """The fields of data that name an object with this content, as the API resolves them."""
        digest = self._packages.put(content.encode() if isinstance(content, str) else content)
        source = {"version": version, "sha256": digest, "content_type": content_type, "package": "p"}
        return {"object": name, "version": version, "source": source}
