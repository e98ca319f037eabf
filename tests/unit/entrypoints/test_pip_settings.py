"""uv uses the indexes of pip's settings unless its own are set."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from jobqueue.entrypoints import pip_settings
from jobqueue.entrypoints.pip_settings import uv_settings


@pytest.fixture(autouse=True)
def _no_files_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_OF_HOST", "_OF_ENVIRONMENT", "_UV_OF_HOST"):
        monkeypatch.setattr(pip_settings, name, tmp_path / "missing")


def _environ(tmp_path: Path, **names: str) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_CONFIG_FILE": "/dev/null", **names}


def test_nothing_is_set(tmp_path: Path) -> None:
    assert uv_settings(_environ(tmp_path)) == ({}, [])


def test_variables_of_pip(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    names = {
        "PIP_INDEX_URL": "https://user:secret@h/simple",
        "PIP_EXTRA_INDEX_URL": "https://a/s  https://b/s",
        "PIP_FIND_LINKS": f"{wheels} /nowhere/at/all https://h/links",
        "PIP_TRUSTED_HOST": "h",
        "PIP_CERT": "/etc/cert.pem",
        "PIP_DEFAULT_TIMEOUT": "70",
        "PIP_NO_INDEX": "true",
    }
    assert uv_settings(_environ(tmp_path, **names)) == (
        {
            "UV_INDEX_URL": "https://user:secret@h/simple",
            "UV_EXTRA_INDEX_URL": "https://a/s https://b/s",
            "UV_FIND_LINKS": f"{wheels},https://h/links",
            "UV_INSECURE_HOST": "h",
            "SSL_CERT_FILE": "/etc/cert.pem",
            "UV_HTTP_TIMEOUT": "70",
        },
        ["--no-index"],
    )


def test_files_of_pip_and_who_wins(tmp_path: Path) -> None:
    user, chosen = tmp_path / ".config" / "pip" / "pip.conf", tmp_path / "chosen.conf"
    user.parent.mkdir(parents=True)
    user.write_text("[global]\nindex-url = https://user/s\nextra_index_url =\n    https://a/s\n    https://b/s\n")
    chosen.write_text("[global]\nindex-url = https://chosen/s\n[install]\ntrusted-host = t\n[freeze]\ntimeout = 1\n")
    environ = _environ(tmp_path, PIP_CONFIG_FILE=str(chosen))
    variables, _ = uv_settings(environ)
    assert variables == {
        "UV_INDEX_URL": "https://chosen/s",
        "UV_EXTRA_INDEX_URL": "https://a/s https://b/s",
        "UV_INSECURE_HOST": "t",
    }
    variables, _ = uv_settings({**environ, "PIP_INDEX_URL": "https://variable/s"})
    assert variables["UV_INDEX_URL"] == "https://variable/s"


def test_dev_null_switches_the_files_off(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip" / "pip.conf").write_text("[global]\nindex-url = https://user/s\n")
    assert uv_settings(_environ(tmp_path)) == ({}, [])
    assert uv_settings(_environ(tmp_path, PIP_CONFIG_FILE=""))[0] == {"UV_INDEX_URL": "https://user/s"}


def test_uv_that_is_configured_itself_is_left_alone(tmp_path: Path) -> None:
    asked = {"PIP_INDEX_URL": "https://pip/s"}
    assert uv_settings(_environ(tmp_path, UV_DEFAULT_INDEX="https://uv/s", **asked)) == ({}, [])
    (tmp_path / ".config" / "uv").mkdir(parents=True)
    (tmp_path / ".config" / "uv" / "uv.toml").touch()
    assert uv_settings(_environ(tmp_path, **asked)) == ({}, [])


def test_a_certificate_that_is_set_already_stays(tmp_path: Path) -> None:
    assert uv_settings(_environ(tmp_path, PIP_CERT="/a", SSL_CERT_FILE="/b")) == ({}, [])


def test_a_broken_file_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("no section = here\n")
    with caplog.at_level(logging.WARNING):
        assert uv_settings(_environ(tmp_path, PIP_CONFIG_FILE=str(broken))) == ({}, [])
    assert str(broken) in caplog.text
