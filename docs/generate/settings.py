"""Every setting: its purpose, its allowed values and its default."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from docs.generate.markdown import code, table
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings, env_name

_ENTRY = re.compile(r"^    (``\w+``(?:, ``\w+``)*) +(.*(?:\n {29}.*)*)", re.MULTILINE)
#: No value of any setting but a path.
_NONSENSE = "\x01"
_COMPUTED = {
    "api_workers": "one per CPU, at most 4",
    "hostname": "this machine's name",
    "broker_url": code("JOBQUEUE_REDIS_URL"),
    "cache_dir": code("<state_dir>/cache"),
    "data_dir": code("<state_dir>/data"),
    "signing_key": code("<state_dir>/signing.key"),
    "trusted_keys": code("<state_dir>/signing.pub"),
}
_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def text() -> str:
    """One table of all settings."""
    purposes = _purposes()
    return table(
        ("name", "for", "takes", "default"),
        [
            (code(env_name(item.name)), purposes.get(item.name, ""), _takes(item), _default(item))
            for item in fields(Settings)
        ],
    )


def undescribed() -> list[str]:
    """Settings that the class's docstring does not describe."""
    purposes = _purposes()
    return [item.name for item in fields(Settings) if item.name not in purposes]


def _purposes() -> dict[str, str]:
    purposes = {}
    for names, purpose in _ENTRY.findall(Settings.__doc__ or ""):
        for name in re.findall(r"\w+", names):
            purposes[name] = re.sub(r"\s+", " ", purpose).replace("``", "`").replace("<", "&lt;")
    return purposes


def _takes(item: Field[Any]) -> str:
    """In the words of the message that refuses nonsense."""
    name = env_name(item.name)
    try:
        Settings.from_env({name: _NONSENSE, "HOME": "/nonexistent"})
    except InvalidSettings as error:
        sentence = "".join((error.details or {}).get(name, []))
        match = re.search(r"must be (.*), not ", sentence)
        if match:
            wanted = re.sub(r" \(.*\)$", "", match[1])
            return wanted.replace("<", "&lt;").replace("*", "\\*")
    if "Path" in str(item.type):
        return "a path"
    return "an address" if item.name.endswith("_url") else "a name" if item.name == "hostname" else "a text"


def _default(item: Field[Any]) -> str:
    if item.name in _COMPUTED:
        return _COMPUTED[item.name]
    value = item.default if item.default is not MISSING else None
    if value is None or value in ("", (), Path()):
        return ""
    if isinstance(value, bool):
        return code(str(int(value)))
    if isinstance(value, tuple):
        return code(",".join(value))
    size = next((f" ({value // unit} {name})" for unit, name in _SIZES if _is_size(item, unit, value)), "")
    days = f" ({value // 86_400} days)" if item.name.endswith("_seconds") and value >= 86_400 else ""
    return code(f"{value:g}" if isinstance(value, float) else str(value)) + size + days


def _is_size(item: Field[Any], unit: int, value: Any) -> bool:
    return item.name.endswith("_bytes") and value >= unit and value % unit == 0
