"""fakeredis lacks one function that every Redis gives to scripts, and that the audit trail needs: ``redis.sha1hex``."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fakeredis.commands_mixins.scripting_mixin import ScriptingCommandsMixin


def give_sha1hex(patch: pytest.MonkeyPatch) -> None:
    """Give it to the scripts of every fake server."""
    original = ScriptingCommandsMixin._get_server_runtime

    def runtime_with_sha1hex(self: Any, server: Any) -> Any:
        runtime = original(self, server)
        runtime.globals()[b"redis"][b"sha1hex"] = _sha1hex
        return runtime

    patch.setattr(ScriptingCommandsMixin, "_get_server_runtime", runtime_with_sha1hex)


def _sha1hex(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
