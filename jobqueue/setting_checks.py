"""What the value of each setting may be: from its text, or from an override, to its value."""

from __future__ import annotations

import ipaddress
import math
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobqueue.model.prefix import check_prefix
from jobqueue.model.target import check_hostname, check_label
from jobqueue.redis_url import RedisUrl

BROKER_SCHEMES = ("amqp", "amqps")
_LOG_FORMATS = ("console", "json")
_TRACES = ("off", "otlp", "console")
_LOST_JOURNAL = ("refuse", "run")
_UNRECORDED_JOBS = ("accept", "refuse")
#: Value of ``ansible``: the agent builds the environment.
BUILD = "build"
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9:._-]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_SECRET = re.compile(r"[\x21-\x7e]{32,4096}")
_CONTEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLAIM = re.compile(r"[\x21-\x7e]{1,256}")
_SCOPE = re.compile(r"[!#-+\--\[\]-~]{1,100}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_S3_PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*/){1,10}")
_LISTEN = re.compile(r"[A-Za-z0-9:._%-]{1,253}")
_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]{2,45}\]?")


def parse_labels(text: str) -> dict[str, str]:
    """``"group=web.dev,n=1"`` -> ``{"group": "web.dev", "n": "1"}``; raises ``ValueError`` or ``InvalidTarget``.

    ``key:value`` is accepted, too.
    """
    labels: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("=" if "=" in part else ":"))
        if not equals:
            raise ValueError(f"labels as key=value,key2=value2 ({part!r} has no =)")
        if key in labels:
            raise ValueError(f"labels with unique keys (duplicate key {key!r})")
        labels[key] = value
    return _labels(labels)


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        expected = f"a number from {least:g} to {most:g}"
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(expected) from error
        if not math.isfinite(number) or not least <= number <= most:
            raise ValueError(expected)
        return number

    return check


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        expected = f"a whole number from {least} to {most}"
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", str(value).replace("_", "")):
            raise ValueError(expected)
        number = int(value)
        if not least <= number <= most:
            raise ValueError(expected)
        return number

    return check


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not pattern.fullmatch(str(value)):
            raise ValueError(expected)
        return str(value)

    return check


def _redis_url(value: Any) -> str:
    return RedisUrl.parse(str(value)).text


def _network_redis_url(value: Any) -> str:
    address = RedisUrl.parse(str(value))
    if address.scheme not in ("redis", "rediss") or address.username or address.password:
        raise ValueError("an address such as redis://redis.example.org:6379/0, without user and password")
    return address.text


def _broker_url(value: Any) -> str:
    text = str(value)
    return text if text.partition("://")[0] in BROKER_SCHEMES else _redis_url(text)


def _http_url(value: Any) -> str:
    expected = "an address such as http://127.0.0.1:8080"
    try:
        parts = urlsplit(str(value))
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:  # a port that is not a number, or a malformed IPv6 address
        raise ValueError(expected) from error
    if not valid or parts.query or parts.fragment or parts.username:
        raise ValueError(expected)
    return str(value).rstrip("/")


def _jwks(value: Any) -> str:
    """A URL is kept; a file's path becomes absolute. Without TLS, keys could be replaced in transit."""
    text = str(value)
    if "://" not in text:
        return str(_folder(text))
    expected = "a file, or an https:// address (http:// for loopback only)"
    try:
        parts = urlsplit(text)
        is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        valid = (
            parts.hostname and parts.port != 0 and (parts.scheme == "https" or (parts.scheme == "http" and is_local))
        )
    except ValueError as error:
        raise ValueError(expected) from error
    if not valid or parts.username or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(expected)
    return text


def _scopes(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    scopes = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not all(_SCOPE.fullmatch(name) for name in scopes) or "openid" not in scopes:
        raise ValueError("scopes with openid among them, as openid,profile")
    return scopes


def _url_prefix(value: Any) -> str:
    return check_prefix(str(value))


def _folder(value: Any) -> Path:
    return Path(value).expanduser().absolute()


def _labels(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return parse_labels(value)
    labels = dict(value)
    for key, text in labels.items():
        check_label(key, text)
    return labels


def _python_modules(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    modules = tuple(name.strip() for name in names if name.strip())
    if not all(_MODULE.fullmatch(name) for name in modules):
        raise ValueError("names of modules as mod,pkg.mod")
    return modules


def _switch(value: Any) -> bool:
    text = str(value).lower()
    if text not in ("1", "0", "true", "false", "yes", "no"):
        raise ValueError("1 or 0")
    return text in ("1", "true", "yes")


def _hosts(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    hosts = tuple(name.strip().lower() for name in names if name.strip())
    if not all(_HOST.fullmatch(name) for name in hosts):
        raise ValueError("hosts' names as a.example,*.b.example, or *")
    return hosts


def _names_and_networks(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    receivers = tuple(name.strip().lower() for name in names if name.strip())
    if not all(_HOST.fullmatch(name) or _is_network(name) for name in receivers):
        raise ValueError("hosts' names and networks as hooks.example.org,*.intern,10.1.0.0/16")
    return receivers


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _patterns(pattern: re.Pattern[str], expected: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        patterns = tuple(name.strip() for name in names if name.strip())
        if not all(pattern.fullmatch(name) for name in patterns):
            raise ValueError(expected)
        return patterns

    return check


def _ansible(value: Any) -> str:
    text = str(value)
    if text != BUILD and not Path(text).expanduser().is_absolute():
        raise ValueError(f"the absolute path of a Python that has ansible-core, or {BUILD}")
    return text if text == BUILD else str(Path(text).expanduser())


def _command(value: Any) -> str:
    expected = "a program with its arguments, as a shell would read them"
    try:
        words = shlex.split(str(value))
    except ValueError as error:
        raise ValueError(expected) from error
    if not words:
        raise ValueError(expected)
    return str(value)


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        choice = str(value).lower()
        if choice not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return choice

    return check


def _log_level(value: Any) -> str:
    level = str(value).upper()
    if level not in _LOG_LEVELS:
        raise ValueError(f"one of {', '.join(_LOG_LEVELS)}")
    return level


#: field -> parser of its text (or of an override); raises ValueError("an expected form") or InvalidInput
_CLAIMS = "a web token must name its iss and aud; otherwise a token issued for another service would be accepted."
_PROVIDER = "people who sign in at a provider are known by the tokens of jwt_issuer, verified by its published keys."
_CLIENT = "signing in at a provider needs a client that is registered there."
_BUCKET_NEEDED = "it is of no use without the name of the bucket."
_PAIR = "TLS needs a certificate and its key."
#: A setting, another one that it requires, and why.
TOGETHER = (
    ("jwt_secret", "jwt_issuer", _CLAIMS),
    ("jwt_secret", "jwt_audience", _CLAIMS),
    ("jwt_public_key", "jwt_issuer", _CLAIMS),
    ("jwt_public_key", "jwt_audience", _CLAIMS),
    ("jwt_jwks", "jwt_issuer", _CLAIMS),
    ("jwt_jwks", "jwt_audience", _CLAIMS),
    ("oidc_client_id", "jwt_issuer", _PROVIDER),
    ("oidc_client_id", "jwt_jwks", _PROVIDER),
    ("oidc_client_secret", "oidc_client_id", _CLIENT),
    ("oidc_device_client_id", "oidc_client_id", _CLIENT),
    ("s3_endpoint", "s3_bucket", _BUCKET_NEEDED),
    ("s3_credentials", "s3_bucket", _BUCKET_NEEDED),
    ("tls_cert", "tls_key", _PAIR),
    ("tls_key", "tls_cert", _PAIR),
)
CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "state_dir": _folder,
    "redis_url": _redis_url,
    "broker_url": _broker_url,
    "agent_redis_url": _network_redis_url,
    "redis_admin_url": _redis_url,
    "url": _http_url,
    "context": _matching(_CONTEXT, "a context's name, as `jobqueue context list` shows it"),
    "token": _matching(_TOKEN, "visible ASCII characters without blanks, at most 4096"),
    "hostname": lambda value: check_hostname(str(value)),
    "labels": _labels,
    "lease_seconds": _number(0.1, 86_400),
    "heartbeat_seconds": _number(0.05, 3_600),
    "job_ttl_seconds": _integer(1, 10 * 366 * 86_400),
    "max_body_bytes": _integer(1024, 1024**3),
    "max_job_bytes": _integer(1024, 1024**3),
    "max_body_values": _integer(1000, 10_000_000),
    "header_seconds": _number(0.1, 3_600),
    "body_seconds": _number(0.1, 3_600),
    "key_prefix": _matching(_KEY_PREFIX, "1 to 64 letters, digits or : . _ -"),
    "concurrency": _integer(1, 1024),
    "python_modules": _python_modules,
    "api_host": _matching(_LISTEN, "a host's name or IP address"),
    "api_port": _integer(1, 65_535),
    "api_workers": _integer(1, 256),
    "log_level": _log_level,
    "log_format": _one_of(_LOG_FORMATS),
    "metrics_host": _matching(_LISTEN, "a host's name or IP address"),
    "metrics_port": _integer(1, 65_535),
    "traces": _one_of(_TRACES),
    "max_output_bytes": _integer(1024, 1024**3),
    "max_log_bytes": _integer(1024, 1024**3),
    "max_fetched_bytes": _integer(1, 1024**3),
    "max_stored_fetched_bytes": _integer(1, 1024**4),
    "default_timeout_seconds": _number(0.001, 366 * 86_400),
    "cache_dir": _folder,
    "max_cache_bytes": _integer(1024**2, 1024**5),
    "max_package_bytes": _integer(1024, 512 * 1024**2),
    "max_packages_bytes": _integer(1024, 1024**4),
    "package_ttl_seconds": _integer(60, 10 * 366 * 86_400),
    "s3_bucket": _matching(_BUCKET, "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"),
    "s3_endpoint": _http_url,
    "s3_region": _matching(_REGION, "the name of a region, as us-east-1"),
    "s3_prefix": _matching(_S3_PREFIX, "names that end with a slash, as jobqueue/"),
    "s3_credentials": _folder,
    "s3_min_bytes": _integer(0, 512 * 1024**2),
    "s3_address_seconds": _integer(60, 604_800),
    "max_object_bytes": _integer(1024, 64 * 1024**3),
    "max_unpacked_bytes": _integer(1024, 1024**4),
    "data_dir": _folder,
    "api_secret": _matching(_SECRET, "32 to 4096 visible ASCII characters without blanks"),
    "jwt_secret": _matching(_SECRET, "32 to 4096 visible ASCII characters without blanks"),
    "jwt_public_key": _folder,
    "jwt_jwks": _jwks,
    "jwt_jwks_max_age_seconds": _integer(60, 366 * 86_400),
    "approval_seconds": _integer(1, 30 * 86_400),
    "jwt_issuer": _matching(_CLAIM, "1 to 256 visible ASCII characters"),
    "jwt_audience": _matching(_CLAIM, "1 to 256 visible ASCII characters"),
    "oidc_client_id": _matching(_CLAIM, "1 to 256 visible ASCII characters"),
    "oidc_client_secret": _matching(_TOKEN, "visible ASCII characters without blanks, at most 4096"),
    "oidc_device_client_id": _matching(_CLAIM, "1 to 256 visible ASCII characters"),
    "oidc_scopes": _scopes,
    "oidc_session_seconds": _integer(60, 43_200),
    "login_failures": _integer(1, 1_000_000),
    "login_window_seconds": _integer(1, 86_400),
    "rate_limit": _number(0, 1_000_000),
    "rate_burst": _integer(1, 1_000_000),
    "tls_cert": _folder,
    "tls_key": _folder,
    "behind_proxy": _switch,
    "url_prefix": _url_prefix,
    "allowed_hosts": _hosts,
    "notification_hosts": _names_and_networks,
    "audit_entries": _integer(100, 100_000_000),
    "unrecorded_jobs": _one_of(_UNRECORDED_JOBS),
    "signing_key": _folder,
    "trusted_keys": _folder,
    "signature_ttl_seconds": _integer(60, 366 * 86_400),
    "clock_skew_seconds": _number(0, 86_400),
    "lost_journal": _one_of(_LOST_JOURNAL),
    "join_token": _matching(_TOKEN, "a token of `jobqueue agent invite`"),
    "allow": _patterns(re.compile(r"[A-Za-z0-9_.*-]{1,100}"), "operations or patterns as node.*,file.status.get"),
    "policy": _folder,
    "pass_environment": _patterns(re.compile(r"[A-Za-z0-9_*]{1,100}"), "names or patterns as NAME,OTHER_*"),
    "ansible": _ansible,
    "limit_memory_bytes": _integer(16 * 1024**2, 1024**5),
    "limit_cpu_seconds": _integer(1, 10 * 366 * 86_400),
    "limit_open_files": _integer(16, 1024**2),
    "limit_processes": _integer(1, 1024**2),
    "secrets_dir": _folder,
    "secrets_command": _command,
    "cells": _folder,
}
