"""Loads what a test writes into the collection ``c``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.loading import load
from jobqueue.errors import InvalidInput


class Loader:
    """A data directory, and the files that are loaded into its collection ``c``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collections = Collections(folder / "data")

    def load(self, name: str, content: str | bytes, **options: Any) -> list[dict[str, Any]]:
        """The rows of the collection after a file was loaded, in the order of their texts."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        load(self.collections, "c", [path], **options)
        return sorted(self.collections.head("c", 1000), key=str)

    def types(self) -> dict[str, str]:
        """Column -> type."""
        return self.collections.info("c").columns

    def refused(self, name: str, content: str | bytes, **options: Any) -> str:
        """The message of a file that cannot be loaded, which changes nothing."""
        before = self.collections.head("c", 1000) if self.collections.names() else None
        with pytest.raises(InvalidInput) as caught:
            self.load(name, content, **options)
        assert before == (self.collections.head("c", 1000) if self.collections.names() else None)
        return caught.value.message


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)
