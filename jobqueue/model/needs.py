"""The resources and labels that a job requires of its host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.selector import Selector

#: A label that every agent has automatically: its hostname.
HOSTNAME_LABEL = "jobqueue/hostname"
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class Needs:
    """``memory`` is in bytes; ``resources`` maps names of labels with numeric values to amounts."""

    selectors: tuple[Selector, ...] = ()
    num_cpus: float = 0.0
    memory: int = 0
    resources: tuple[tuple[str, float], ...] = ()

    @property
    def are_any(self) -> bool:
        """Whether any need is set."""
        return bool(self.selectors or self.num_cpus or self.memory or self.resources)

    def fit(self, hostname: str, labels: Mapping[str, str], cpus: object, memory: object) -> bool:
        """Whether a host meets the needs, regardless of its load. A fact that is not a number counts as 0."""
        all_labels = {HOSTNAME_LABEL: hostname, **labels}
        return (
            all(selector.matches(all_labels) for selector in self.selectors)
            and self.num_cpus <= amount(cpus)
            and self.memory <= amount(memory)
            and all(amount <= declared(labels, name) for name, amount in self.resources)
        )

    @property
    def text(self) -> str:
        """For a person: ``4 CPUs, the label zone is a``."""
        parts = [f"{self.num_cpus:g} CPUs"] if self.num_cpus else []
        parts += [f"{self.memory} bytes of memory"] if self.memory else []
        parts += [f"{amount:g} of the resource {name}" for name, amount in self.resources]
        return ", ".join([*parts, *(f"the label {selector.text}" for selector in self.selectors)])

    def document(self) -> dict[str, Any]:
        """As JSON, without unset needs."""
        document = {
            "labels": {selector.key: selector.expression for selector in self.selectors},
            "num_cpus": self.num_cpus,
            "memory": self.memory,
            "resources": dict(self.resources),
        }
        return {name: value for name, value in document.items() if value}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Needs:
        """The inverse of ``document``. Raises ``InvalidInput``, ``TypeError`` or ``ValueError`` for anything else."""
        if unknown := document.keys() - {"labels", "num_cpus", "memory", "resources"}:
            raise InvalidInput(f"Unknown needs: {', '.join(sorted(unknown))[:200]}.")
        selectors = tuple(Selector.parse(key, text) for key, text in dict(document.get("labels", {})).items())
        resources = tuple((name, float(amount)) for name, amount in dict(document.get("resources", {})).items())
        return cls(selectors, float(document.get("num_cpus", 0)), int(document.get("memory", 0)), resources)


def declared(labels: Mapping[str, str], name: str) -> float:
    """The amount of a resource that an agent declares: the number in its label ``name``, 0 without one."""
    text = labels.get(name, "")
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def amount(value: object) -> float:
    """A fact as a number; 0 if it is not one."""
    return float(value) if isinstance(value, (int, float)) else 0.0
