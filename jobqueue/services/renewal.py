"""What changes when a job is run again under a new id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Renewal:
    """The data of the new job, the name that it holds exclusively, and the groups that list it."""

    data: Mapping[str, Any]
    exclusive: str | None = None
    groups: tuple[str, ...] = ()
