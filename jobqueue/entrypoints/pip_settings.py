"""Translates pip's index settings for uv, which does not read them."""

from __future__ import annotations

import configparser
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

#: If one of these exists, uv is configured itself, and pip's settings are ignored.
_UV_NAMES = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE")
_SECTIONS = ("global", "install")
_OF_HOST = Path("/etc/pip.conf")
_OF_ENVIRONMENT = Path(sys.prefix) / "pip.conf"
_UV_OF_HOST = Path("/etc/uv/uv.toml")
_TRUE = ("1", "true", "yes", "on")


def uv_settings(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Variables and arguments that make uv look where pip would, by ``environ`` and pip's configuration files.

    Both are empty where uv is configured itself. Addresses, which may hold passwords, are never among the arguments.
    """
    if any(environ.get(name) for name in _UV_NAMES) or any(path.is_file() for path in _uv_files(environ)):
        return {}, []
    return _in_uvs_words(_pip_settings(_pip_files(environ), environ), environ)


def uv_settings_of_job(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The same for the variables of one job: only the file that they name is read from the host."""
    chosen = variables.get("PIP_CONFIG_FILE", "")
    files = [Path(chosen)] if chosen and chosen != os.devnull else []
    return _in_uvs_words(_pip_settings(files, variables), variables)


def _in_uvs_words(settings: Mapping[str, str], environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    variables = {
        "UV_INDEX_URL": settings.get("index-url", ""),
        "UV_EXTRA_INDEX_URL": " ".join(settings.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(path for path in settings.get("find-links", "").split() if _is_there(path)),
        "UV_INSECURE_HOST": " ".join(settings.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": settings.get("timeout", "") or settings.get("default-timeout", ""),
    }
    if not environ.get("SSL_CERT_FILE"):
        variables["SSL_CERT_FILE"] = settings.get("cert", "")
    arguments = ["--no-index"] if settings.get("no-index", "").lower() in _TRUE else []
    return {name: value for name, value in variables.items() if value}, arguments


def _pip_settings(files: Iterable[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings by their long names; later files win over earlier ones, and variables over files."""
    settings: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8-sig")
        except (configparser.Error, UnicodeError) as error:
            logger.warning("pip's configuration %s cannot be read: %s", path, error)
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                settings.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "pip" / "pip.conf"
    yield _OF_HOST
    home = Path(environ.get("HOME", "/"))
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield _OF_ENVIRONMENT
    if chosen:
        yield Path(chosen)


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config") / "uv" / "uv.toml"
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "uv" / "uv.toml"
    yield _UV_OF_HOST


def _is_there(location: str) -> bool:
    """pip ignores missing folders; uv would fail."""
    return "://" in location or Path(location).expanduser().exists()
