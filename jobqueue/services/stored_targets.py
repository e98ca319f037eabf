"""Stored targets: expressions under names, which others use as ``@name``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jobqueue.errors import Conflict, InvalidInput, InvalidTarget, UnknownTarget
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.stored_targets import StoredTargets
from jobqueue.model.principal import Principal
from jobqueue.model.record_name import check_record_name
from jobqueue.model.stored_target import StoredTarget
from jobqueue.model.target import ANY, Target, TargetKind
from jobqueue.services.targets import TargetResolver

#: A route of the API has this name.
RESERVED = frozenset({"complete"})
_EXPRESSION = "target"


@dataclass(frozen=True)
class Membership:
    """The hosts that a stored target names now, whether or not they take work; ``notes`` name what matches nothing."""

    hosts: tuple[str, ...]
    notes: tuple[str, ...]


class StoredTargetManager:
    """Stores, lists and removes targets."""

    def __init__(self, ledger: Ledger, resolver: TargetResolver) -> None:
        self._ledger = ledger
        self._targets: StoredTargets = ledger.stored_targets
        self._resolver = resolver

    def all(self) -> list[StoredTarget]:
        """All stored targets, by name."""
        return self._targets.all()

    def get(self, name: str) -> StoredTarget:
        """One stored target. Raises ``TargetNotFound``."""
        return self._targets.get(name)

    def members(self, target: StoredTarget) -> Membership:
        """The hosts that the target names now; none if it names none."""
        try:
            resolved = self._resolver.resolve(Target(TargetKind.HOSTS, target.text), target.name, is_patient=True)
        except (UnknownTarget, InvalidTarget) as error:
            return Membership((), (error.message,))
        return Membership(resolved.hosts, resolved.notes)

    def put(
        self,
        name: str,
        text: str,
        description: str,
        principal: Principal,
        *,
        managed_by: str = "",
        assumed: Collection[str] | None = None,
    ) -> tuple[StoredTarget, StoredTarget | None]:
        """Store a target, in place of one of the same name; returns it and the one before, if there was one.

        With ``assumed``, names of targets that are taken for stored, nothing is stored.

        Raises ``InvalidInput`` (name, expression, a reference to itself or to an unknown stored target), ``Conflict``
        if there are too many.
        """
        check_record_name(name)
        if name in RESERVED:
            raise InvalidInput.of("name", f"{name!r} is reserved; choose another name.")
        stored = {target.name: target for target in self._targets.all()}
        text = self._spelled(name, text, {key: target.text for key, target in stored.items()}, assumed or ())
        target = StoredTarget(name, text, description, self._ledger.time(), principal.name, managed_by)
        if assumed is None:
            self._targets.put(target)
        return target, stored.get(name)

    def remove(self, name: str) -> None:
        """Remove a stored target. Raises ``TargetNotFound``, and ``Conflict`` if others refer to it."""
        from jobqueue.targets import language

        users = [target.name for target in self._targets.all() if name in language.references(target.text)]
        if users:
            raise Conflict(
                f"The stored target {name!r} is used by {', '.join(users[:10])}; change or delete these first."
            )
        self._targets.remove(name)

    def _spelled(self, name: str, text: str, stored: Mapping[str, str], assumed: Collection[str]) -> str:
        from jobqueue.targets import language, limits

        if text.strip() == ANY:
            raise InvalidInput.of(_EXPRESSION, "_any cannot be stored: it does not name a set of hosts.")
        try:
            canonical = language.spelled(text, limits.MAX_STORED_TEXT)
        except InvalidTarget as error:
            raise InvalidTarget(error.message, {_EXPRESSION: [error.message]}) from error
        targets = {**stored, name: canonical}
        references = {key: language.references(expression) for key, expression in targets.items()}
        _check_references(name, dict.fromkeys(assumed, frozenset[str]()) | references)
        return canonical


def _check_references(name: str, references: Mapping[str, frozenset[str]]) -> None:
    """Raise ``InvalidInput`` if the target refers, directly or not, to itself or to one that does not exist."""
    reached: set[str] = set()
    pending = sorted(references[name])
    while pending:
        referenced = pending.pop()
        if referenced == name:
            raise InvalidInput.of(_EXPRESSION, f"@{name} would refer to itself.")
        if referenced not in references:
            raise InvalidInput.of(
                _EXPRESSION, f"No target is stored as {referenced!r}; `jobqueue target list` shows all."
            )
        if referenced not in reached:
            reached.add(referenced)
            pending += sorted(references[referenced])
