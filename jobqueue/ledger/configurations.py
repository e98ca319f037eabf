"""Configurations of runs in the ledger, with the history of their changes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from jobqueue.errors import ConfigurationExists, ConfigurationNotFound, JobNotFinal, RecordAltered
from jobqueue.ledger import decoding
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.scripts import Clock, redis_clock
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.configuration import KEPT_UPDATES, Configuration, Update


class Configurations:
    """The configurations of one ledger. Each is sealed, since the API signs the jobs that are made from it."""

    def __init__(self, storage: SealedStorage, *, now: Clock = redis_clock) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._now = now
        remedy = "It is not used; store it again with PUT, or delete it."
        self._sealed = SealedRecords(storage, "configuration", "configuration", remedy, id_field="id")

    def create(self, configuration: Configuration, user: str) -> None:
        """Store a new configuration. Raises ``ConfigurationExists``."""
        self._change("create", configuration.id, configuration, user)

    def replace(self, configuration: Configuration, user: str) -> None:
        """Replace the configuration with this id. Raises ``ConfigurationNotFound``."""
        self._change("replace", configuration.id, configuration, user)

    def delete(self, config_id: str, exclusive: str) -> None:
        """Remove a configuration whose runs hold the name ``exclusive``.

        Raises ``ConfigurationNotFound``, and ``JobNotFinal`` while a run of it has not ended.
        """
        self._change("delete", config_id, None, "", exclusive)

    def get(self, config_id: str) -> Configuration:
        """One configuration. Raises ``ConfigurationNotFound``, ``RecordAltered``."""
        configurations = self.some([config_id])
        if not configurations:
            raise ConfigurationNotFound.of(config_id)
        return configurations[0]

    def some(self, ids: Iterable[str]) -> list[Configuration]:
        """The configurations that exist among ``ids``, in order. Raises ``RecordAltered``."""
        return [self._opened(*record) for record in self._read(ids)]

    def all(self) -> list[Configuration]:
        """All configurations, by id. An altered one is left out, with an alert."""
        with translated_errors():
            ids = self._client.zrange(self._keys.kind("configs"), 0, -1)
        configurations = []
        for record in self._read(map(str, ids)):
            try:
                configurations.append(self._opened(*record))
            except RecordAltered:  # the alarm has been raised; the others are intact
                continue
        return configurations

    def reached(self, exclusive: str) -> str | None:
        """Reference time of the newest completed run that held this name and whose record was deleted."""
        with translated_errors():
            reached = self._client.hget(self._keys.kind("reached"), exclusive)
        return None if reached is None else str(reached)

    def _change(
        self, verb: str, config_id: str, configuration: Configuration | None, user: str, exclusive: str = ""
    ) -> None:
        text = self._sealed.close(config_id, json.dumps(configuration.fields)) if configuration else ""
        arguments = (self._now(), config_id, verb, text, user, KEPT_UPDATES, exclusive)
        answer: list[str] = []

        def call(entry: tuple[int, str, str]) -> list[str]:
            answer[:] = self._scripts.call("store_configuration", *arguments, *entry)
            return answer

        code = self._audit.change(call, configuration=config_id)
        if code == "taken":
            raise ConfigurationExists(f"The configuration {config_id!r} already exists; change it with PUT.")
        if code == "unknown":
            raise ConfigurationNotFound.of(config_id)
        if code == "busy":
            job_id = answer[1]
            raise JobNotFinal(
                f"A run of {config_id!r} has not ended (job {job_id}); cancel it first.", {"job_id": job_id}
            )

    def _read(self, ids: Iterable[str]) -> list[tuple[str, str, list[str]]]:
        """Id, sealed text and history of the configurations that exist."""
        config_ids = [config_id for config_id in ids if config_id]
        with translated_errors(), self._client.pipeline(transaction=True) as pipe:
            for config_id in config_ids:
                pipe.get(self._keys.config(config_id))
                pipe.lrange(self._keys.config_log(config_id), 0, -1)
            answers = pipe.execute()
        return [
            (config_id, str(text), log)
            for config_id, text, log in zip(config_ids, answers[::2], answers[1::2], strict=True)
            if text is not None
        ]

    def _opened(self, config_id: str, sealed: str, log: list[str]) -> Configuration:
        return Configuration(json.loads(self._sealed.open(config_id, sealed)), tuple(map(_update, log)))


def _update(line: str) -> Update:
    at, _, user = line.partition("|")
    try:
        return Update(user, decoding.integer(at))
    except ValueError:  # not written by the API
        return Update("?", 0)
