"""Names of hosts' files in an archive that can be unpacked on any system, without leaving its directory."""

from __future__ import annotations

import hashlib
import re

#: What Windows allows in no name, control characters, and the character that marks what was replaced.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"\\|?*%\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
#: Names that Windows takes for devices, with any extension.
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(\.|$)")
_MOST_BYTES = 200
_KEPT_CHARACTERS = 40


class ArchiveNames:
    """Gives each file a name of its own, ``host/path``, also where letter case does not count."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, hostname: str, path: str) -> str:
        """The name in the archive: relative, without ``..``; unsafe characters are percent-encoded."""
        parts = [_safe(part) for part in path.split("/") if part not in ("", ".")] or ["%"]
        name = base = "/".join([_safe(hostname), *parts])
        number = 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{base}~{number}"
        self._taken.add(name.casefold())
        return name


def _safe(part: str) -> str:
    if set(part) == {"."}:  # .. and what some systems make of more dots
        return "%2E" * len(part)
    safe = _UNSAFE.sub(_encoded, part)
    if safe.endswith((".", " ")):
        safe = f"{safe[:-1]}{_encoded_text(safe[-1])}"
    if _DEVICE.match(safe):
        safe = f"{_encoded_text(safe[0])}{safe[1:]}"
    if len(safe.encode()) > _MOST_BYTES:
        digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        safe = f"{safe[:_KEPT_CHARACTERS].rstrip('. ')}~{digest}"
    return safe


def _encoded(match: re.Match[str]) -> str:
    return _encoded_text(match[0])


def _encoded_text(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
