"""One call of a host: which operation its route runs, with what, and what is shown of the result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.openapi import Document
from api.osapi.answers import Parts
from api.osapi.parameters import NAME, Parameters

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


def _unchanged(data: dict[str, Any]) -> dict[str, Any]:
    return data


@dataclass(frozen=True)
class Call:
    """``method path`` below /api/node/{hostname}.

    ``body`` and ``query`` are its parameters, whose values become the operation's data with those of the path
    (``names``: their names there); ``adapt`` makes the data of them where a name is not enough. ``parts`` are shown of
    the result, or, one by one, of the objects in its list ``each``. ``status`` is that of a complete answer.
    """

    method: str
    path: str
    operation: str
    parts: Parts = field(default_factory=dict)
    body: Parameters = field(default_factory=dict)
    query: Parameters = field(default_factory=dict)
    status: int = 200
    names: Mapping[str, str] = field(default_factory=dict)
    variables: Parameters = field(default_factory=dict)
    adapt: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged
    each: str = ""

    @property
    def name(self) -> str:
        """The name of its view."""
        words = [word for word in re.split(r"\W+", _VARIABLE.sub(r"by_\1", self.path)) if word]
        return "_".join([self.method.lower(), *(words or ["node"])])

    @property
    def path_parameters(self) -> Parameters:
        """The variables of the path besides the hostname."""
        return {name: self.variables.get(name, NAME) for name in _VARIABLE.findall(self.path)}

    @property
    def path_documents(self) -> Mapping[str, Document]:
        """Their schemas."""
        return {name: parameter.schema for name, parameter in self.path_parameters.items()}
