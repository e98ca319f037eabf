"""Objects in the ledger. Their records are sealed, for the API signs the digests of what hosts deploy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobqueue.errors import Conflict, LedgerUnavailable, ObjectNotFound, RecordAltered, RecordChanged
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.scripts import Clock, redis_clock
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.stored_object import MOST_OBJECTS, ObjectVersion, StoredObject, is_content_of


class Objects:
    """The objects of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down.

    Content that no version needs any more is kept for ``keep_seconds``, for jobs that wait.
    """

    def __init__(self, storage: SealedStorage, *, keep_seconds: float, now: Clock = redis_clock) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._keep = round(keep_seconds * 1_000_000)
        self._now = now
        remedy = "It is not used; delete it and upload it again."
        self._sealed = SealedRecords(storage, "object", "object", remedy)

    def page(self, after: str, limit: int) -> tuple[list[StoredObject], int, str | None]:
        """Up to ``limit`` objects after ``after``, by name; the number of all, and the name to continue after, if any.

        Altered ones are left out, with an alert.
        """
        names_key = self._keys.kind("object_names")
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.zrangebylex(names_key, f"({after}" if after else "-", "+", start=0, num=limit + 1)
            pipe.zcard(names_key)
            names, total = pipe.execute()
        shown = [str(name) for name in names[:limit]]
        objects = self.some(shown)
        return (
            [objects[name] for name in shown if name in objects],
            int(total),
            shown[-1] if len(names) > limit else None,
        )

    def names(self) -> list[str]:
        """The names of all objects, of which there are at most ``MOST_OBJECTS``."""
        with translated_errors():
            return [str(name) for name in self._client.zrange(self._keys.kind("object_names"), 0, MOST_OBJECTS - 1)]

    def some(self, names: Sequence[str]) -> dict[str, StoredObject]:
        """The objects that exist among ``names``. Altered ones are left out, with an alert."""
        if not names:
            return {}
        with translated_errors():
            texts = self._client.mget([self._keys.object(name) for name in names])
        objects = {}
        for name, text in zip(names, texts, strict=True):
            try:
                if text is not None:
                    objects[name] = self._opened(name, str(text))
            except RecordAltered:  # the alarm has been raised; the others are intact
                continue
        return objects

    def get(self, name: str) -> StoredObject:
        """One object. Raises ``ObjectNotFound``, ``RecordAltered``."""
        return self._opened(name, self.raw(name))

    def find(self, name: str) -> tuple[StoredObject | None, str]:
        """One object, and its record for ``store``; None and '' without one. Raises ``RecordAltered``."""
        with translated_errors():
            text = self._client.get(self._keys.object(name))
        return (None, "") if text is None else (self._opened(name, str(text)), str(text))

    def raw(self, name: str) -> str:
        """The record of an object, also an altered one, for ``remove``. Raises ``ObjectNotFound``."""
        with translated_errors():
            text = self._client.get(self._keys.object(name))
        if text is None:
            raise ObjectNotFound.of(name)
        return str(text)

    def store(self, stored: StoredObject, before: str, released: Sequence[ObjectVersion] = ()) -> None:
        """Store an object, with a new version, in place of the record ``before`` ('': there was none).

        The content of the versions ``released`` is no longer kept. Raises ``RecordChanged`` if another caller changed
        it meanwhile, ``Conflict`` if there are too many, ``LedgerUnavailable`` if the content has been lost.
        """
        sealed = self._sealed.close(stored.name, json.dumps(stored.document()))
        packages = [version.package for version in released]
        current = stored.current
        details = {"object": stored.name, "version": current.number, "sha256": current.sha256}
        self._change(stored.name, before, sealed, stored.size, current.package, packages, **details)

    def remove(self, name: str, before: str) -> None:
        """Remove an object, also one whose record was altered. Raises ``RecordChanged``."""
        self._change(name, before, "", 0, "", self._packages_of(name, before), object=name)

    def release(self, package: str) -> None:
        """Give up content that was stored for nothing: maintenance removes it."""
        with translated_errors(), self._client.pipeline(transaction=True) as pipe:
            pipe.zadd(self._keys.kind("packages"), {package: 0})
            pipe.hset(self._keys.kind("package") + package, "kept", "0")
            pipe.execute()

    def uses(self, name: str) -> int:
        """How many paths of hosts the object is deployed at, as agents have counted."""
        with translated_errors():
            count = self._client.hget(self._keys.kind("object_uses"), name)
        return max(0, int(count)) if count is not None and str(count).lstrip("-").isdecimal() else 0

    def totals(self) -> tuple[int, int]:
        """The number of objects, and the bytes of all their versions."""
        with translated_errors():
            sizes = self._client.hvals(self._keys.kind("object_sizes"))
        numbers = [int(size) for size in map(str, sizes) if size.isdecimal() and len(size) < 16]
        return len(sizes), sum(numbers)

    def _packages_of(self, name: str, sealed: str) -> list[str]:
        """The packages with an object's content; of an altered record, only those that can be no other object's."""
        try:
            return [version.package for version in self._opened(name, sealed).versions]
        except RecordAltered:
            words = sealed.replace('"', " ").split()
            return list(dict.fromkeys(word for word in words if is_content_of(name, word)))

    def _change(
        self,
        name: str,
        before: str,
        after: str,
        size: int,
        package: str,
        released: Sequence[str],
        **details: Any,
    ) -> None:
        arguments = (
            *(self._now(), name, before, after, size, MOST_OBJECTS, package),
            *("\n".join(released), self._keep),
        )
        answer = self._audit.change(lambda entry: self._scripts.call("store_object", *arguments, *entry), **details)
        if answer == "full":
            raise Conflict(f"There are {MOST_OBJECTS} objects already; delete some first.")
        if answer == "changed":
            raise RecordChanged
        if answer == "gone":
            raise LedgerUnavailable("Redis has lost the content of the upload. Nothing was stored; send it again.")

    def _opened(self, name: str, sealed: str) -> StoredObject:
        record = json.loads(self._sealed.open(name, sealed))
        return StoredObject(name, tuple(ObjectVersion(**version) for version in record["versions"]))
