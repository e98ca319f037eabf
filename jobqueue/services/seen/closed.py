"""Use cases that concern all hosts, and are refused to a principal with permissions on some hosts only."""

from __future__ import annotations

from typing import Any, NoReturn

from jobqueue.services.seen.access import Access


class ClosedUseCase:
    """Replaces a use case that does not distinguish hosts: each use of it is refused."""

    def __init__(self, access: Access, permission: str, subject: str, **allowed: Any) -> None:
        """``allowed``: the parts that may still be used, by name."""
        self._refusal = access, permission, subject
        self.__dict__.update(allowed)

    def __getattr__(self, name: str) -> NoReturn:
        access, permission, subject = self._refusal
        raise access.closed(subject, permission)
