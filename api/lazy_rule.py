"""Routes that are quick to register."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule


class LazyRule(Rule):
    """A rule that compiles its two builders of URLs when a URL is built.

    werkzeug compiles them, through a syntax tree, when the rule is added: half of the time in which the API starts.
    Few of its routes are linked to.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        @functools.cache
        def compiled() -> Callable[..., tuple[str, str]]:
            return super(LazyRule, self)._compile_builder(append_unknown)

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
