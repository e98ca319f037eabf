"""Secrets of the API's hosts, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.failure import DeliveryFailed


def test_the_environment_and_the_directory(tmp_path: Path) -> None:
    (tmp_path / "hook-key").write_text("from the file\n")
    (tmp_path / "hook-key").chmod(0o600)
    found = ApiSecrets(tmp_path, {"JOBQUEUE_SECRET_OPS_SLACK": "from the environment"})
    assert found.get("ops-slack") == "from the environment"
    assert found.get("hook-key") == "from the file"


def test_a_secret_that_is_missing(tmp_path: Path) -> None:
    for secrets in (ApiSecrets(None, {}), ApiSecrets(tmp_path, {})):
        with pytest.raises(DeliveryFailed, match="JOBQUEUE_SECRET_HOOK_KEY"):
            secrets.get("hook-key")


def test_a_file_that_others_may_write(tmp_path: Path) -> None:
    (tmp_path / "hook-key").write_text("x")
    (tmp_path / "hook-key").chmod(0o666)
    with pytest.raises(DeliveryFailed, match="chmod go-w"):
        ApiSecrets(tmp_path, {}).get("hook-key")


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\xd8")
    (tmp_path / "bytes").chmod(0o600)
    for name in ("folder", "bytes"):
        with pytest.raises(DeliveryFailed, match="cannot be read"):
            ApiSecrets(tmp_path, {}).get(name)
