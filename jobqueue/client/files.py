"""Objects, and files that hosts have sent, as ``client.files``. Answers are the API's JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from jobqueue.client.routes import Document, Routes, pages_of, path_of
from jobqueue.errors import InvalidInput

_MAX_PAGE = 100


class Files(Routes):
    """The routes of ``/file``, and ``/job/{id}/files``. Every method raises as those of ``Client``."""

    def list(self) -> Iterator[Document]:
        """Every object with its newest version, by name."""
        yield from self._all("/file", "files")

    def stale(self) -> Iterator[Document]:
        """Every deployment of an older version than the newest one, by hostname and path."""
        yield from self._all("/file/stale", "stale")

    def get(self, name: str) -> Document:
        """An object with ``versions``, newest first, and the number of its ``deployments``. Raises ``NotFound``."""
        return self._object("GET", _path(name))

    def put(self, name: str, source: bytes | Path, *, content_type: str = "raw", force: bool = False) -> Document:
        """Upload bytes, or a file, as the newest version of an object; ``content_type`` is raw or template.

        ``changed`` of the answer is false if the newest version has this content already; ``force`` makes a new
        version anyway. Raises ``OSError`` for a file that cannot be read.
        """
        query = {"content_type": content_type, **({"force": "true"} if force else {})}
        if isinstance(source, bytes):
            query["sha256"] = hashlib.sha256(source).hexdigest()
            answer = self._http.upload(_path(name), source, len(source), query=query)
        else:
            with source.open("rb") as file:
                query["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
                file.seek(0)
                answer = self._http.upload(_path(name), file, size, query=query)
        return self._checked(answer, _path(name))

    def download(self, name: str, to: IO[bytes], version: int | None = None) -> int:
        """Write a version (default: the newest) to a binary file; returns the number of bytes.

        Raises ``ConnectionFailed`` if the content ends early.
        """
        size = 0
        with self.content(name, version) as pieces:
            for piece in pieces:
                size += len(piece)
                to.write(piece)
        return size

    @contextmanager
    def content(self, name: str, version: int | None = None) -> Iterator[Iterator[bytes]]:
        """The content of a version, piece by piece."""
        query = {} if version is None else {"version": version}
        with self._http.download(_path(name, "content"), query=query) as pieces:
            yield pieces

    def fetched(self, job_id: str, to: IO[bytes]) -> int:
        """Write the files that hosts have sent for a job of ``file.fetch``, a zip archive with ``hostname/path``, to a
        binary file; returns the number of its bytes.

        ``_not-included.txt`` in it lists what is missing. Raises ``ConnectionFailed`` if it ends early.
        """
        size = 0
        with self._http.download(path_of("/job", job_id, "files")) as pieces:
            for piece in pieces:
                size += len(piece)
                to.write(piece)
        return size

    def delete(self, name: str, *, force: bool = False) -> None:
        """Delete an object with all versions; ``force`` also one that is deployed. Raises ``NotFound``."""
        self._http.request("DELETE", _path(name), query={"force": "true"} if force else {})

    def _all(self, path: str, field: str) -> Iterator[Document]:
        for page in pages_of(lambda **query: self._object("GET", path, query=query), limit=_MAX_PAGE):
            yield from page[field]


def _path(name: str, part: str = "") -> str:
    if name == "stale":  # it would change the route
        raise InvalidInput(f"{name!r} names no object.")
    return path_of("/file", name, part)
