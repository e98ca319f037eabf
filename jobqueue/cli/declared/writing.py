"""Writes records as YAML that `jobqueue apply` reads back unchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jobqueue.cli.declared.loading import MEANINGS
from jobqueue.extras import require


def yaml_of(document: Mapping[str, Any]) -> str:
    """One document with its beginning ---; texts of several lines as blocks."""
    require("Writing YAML (--json needs nothing)", "apply")
    import yaml

    text: str = yaml.dump(
        dict(document), Dumper=_dumper(), sort_keys=False, allow_unicode=True, explicit_start=True, width=100
    )
    return text


@lru_cache(maxsize=1)
def _dumper() -> Any:
    import yaml

    # quotes what YAML 1.1 or 1.2 would not read as text
    resolvers = {first: list(implicit) for first, implicit in yaml.SafeDumper.yaml_implicit_resolvers.items()}
    dumper: Any = type("Dumper", (yaml.SafeDumper,), {"yaml_implicit_resolvers": resolvers})
    dumper.ignore_aliases = lambda _self, _data: True
    for name, pattern, first in MEANINGS:
        dumper.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(rf"^(?:{pattern})$"), list(first))
    dumper.add_representer(str, _represented)
    return dumper


def _represented(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text and not re.search(r"[ \t]\n|\r|[^\n\t -~\u00a0-\ud7ff]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
