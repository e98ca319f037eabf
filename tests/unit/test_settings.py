"""The configuration: what it takes, what it refuses, and what it says then."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from jobqueue.errors import InvalidSettings
from jobqueue.setting_checks import parse_labels
from jobqueue.settings import Settings, env_name, local_hostname


def settings(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_env({"HOME": str(tmp_path), **environ})


def test_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.state_dir == tmp_path / ".local/state/jobqueue"
    assert found.redis_url == found.broker_url == "redis://127.0.0.1:6379/0"
    assert found.url == "http://127.0.0.1:8080"
    assert found.token is None
    assert found.hostname == local_hostname()
    assert (found.lease_seconds, found.heartbeat_seconds, found.job_ttl_seconds) == (15.0, 5.0, 604_800)
    assert (found.max_body_bytes, found.max_output_bytes) == (8 * 1024 * 1024, 1024 * 1024)
    assert found.max_log_bytes == 4 * 1024 * 1024
    assert (found.key_prefix, found.concurrency, found.python_modules) == ("jobqueue:", 8, ())
    assert (found.api_host, found.api_port, found.log_level) == ("127.0.0.1", 8080, "INFO")
    assert 1 <= found.api_workers <= 4
    assert found.default_timeout_seconds is None
    assert (found.cache_dir, found.data_dir) == (found.state_dir / "cache", found.state_dir / "data")
    assert (found.max_package_bytes, found.max_packages_bytes) == (100 * 1024**2, 2 * 1024**3)
    assert (found.max_unpacked_bytes, found.max_cache_bytes) == (1024**3, 10 * 1024**3)
    assert found.package_ttl_seconds == 604_800
    assert (found.signing_key, found.trusted_keys) == (found.state_dir / "signing.key", found.state_dir / "signing.pub")
    assert (found.signature_ttl_seconds, found.clock_skew_seconds) == (604_800, 60.0)
    assert (found.allow, found.policy, found.pass_environment) == (("read-only",), None, ())


def test_every_field_has_its_name_in_the_environment(tmp_path: Path) -> None:
    texts = {
        "state_dir": str(tmp_path / "state"),
        "redis_url": "redis://r:1/2",
        "broker_url": "amqp://b//",
        "agent_redis_url": "redis://r.example:1/2",
        "redis_admin_url": "redis://admin:pw@r:1/2",
        "context": "prod",
        "url": "https://api.example/jobs/",
        "token": "t0ken",
        "hostname": "web1.example",
        "labels": "group=web.dev, n=1",
        "lease_seconds": "3.5",
        "heartbeat_seconds": "1",
        "job_ttl_seconds": "60",
        "max_body_bytes": "2048",
        "max_job_bytes": "1024",
        "max_body_values": "2000",
        "header_seconds": "2.5",
        "body_seconds": "30",
        "key_prefix": "x:",
        "concurrency": "2",
        "python_modules": "a, b.c",
        "api_host": "::1",
        "api_port": "9000",
        "api_workers": "3",
        "log_level": "debug",
        "log_format": "JSON",
        "metrics_host": "10.0.0.2",
        "metrics_port": "9101",
        "traces": "otlp",
        "max_output_bytes": "4096",
        "max_log_bytes": "8192",
        "max_fetched_bytes": "8193",
        "max_stored_fetched_bytes": "8194",
        "default_timeout_seconds": "30",
        "cache_dir": str(tmp_path / "cache"),
        "max_cache_bytes": "2000000",
        "max_package_bytes": "3000",
        "max_packages_bytes": "4000",
        "package_ttl_seconds": "90",
        "max_unpacked_bytes": "5000",
        "s3_bucket": "jobs",
        "s3_endpoint": "https://s3.example.org:9000/",
        "s3_region": "eu-central-1",
        "s3_prefix": "a/b/",
        "s3_credentials": str(tmp_path / "s3.ini"),
        "s3_min_bytes": "6000",
        "s3_address_seconds": "600",
        "max_object_bytes": "7000",
        "data_dir": str(tmp_path / "collections"),
        "api_secret": "a" * 32,
        "jwt_secret": "b" * 32,
        "jwt_public_key": str(tmp_path / "issuer.pem"),
        "jwt_jwks": "https://issuer.example/keys",
        "jwt_jwks_max_age_seconds": "3600",
        "approval_seconds": "7200",
        "jwt_issuer": "https://issuer.example",
        "jwt_audience": "jobqueue",
        "oidc_client_id": "dashboard",
        "oidc_client_secret": "s3cret",
        "oidc_device_client_id": "cli",
        "oidc_scopes": "openid,profile",
        "oidc_session_seconds": "600",
        "login_failures": "5",
        "login_window_seconds": "60",
        "rate_limit": "2.5",
        "rate_burst": "7",
        "tls_cert": str(tmp_path / "cert.pem"),
        "tls_key": str(tmp_path / "key.pem"),
        "behind_proxy": "1",
        "url_prefix": "/tools/jq/",
        "allowed_hosts": "Jobs.example.com, *.example.org",
        "notification_hosts": "Hooks.intern, *.intern, 10.1.0.0/16,fd00::/8",
        "audit_entries": "1000",
        "unrecorded_jobs": "Refuse",
        "signing_key": str(tmp_path / "private.pem"),
        "trusted_keys": str(tmp_path / "public.pem"),
        "signature_ttl_seconds": "120",
        "clock_skew_seconds": "2.5",
        "lost_journal": "RUN",
        "join_token": "jqj:1:2:web1:secret",
        "allow": "read-only, command.*",
        "policy": str(tmp_path / "policy.json"),
        "pass_environment": "JAVA_HOME,X_*",
        "ansible": "/opt/ansible/bin/python",
        "limit_memory_bytes": "1_073_741_824",
        "limit_cpu_seconds": "60",
        "limit_open_files": "256",
        "limit_processes": "100",
        "secrets_dir": str(tmp_path / "secrets"),
        "secrets_command": "vault get 'a b'",
        "cells": str(tmp_path / "cells.toml"),
    }
    found = settings(tmp_path, **{env_name(name): text for name, text in texts.items()})
    assert dataclasses.asdict(found) == {
        **texts,
        "state_dir": tmp_path / "state",
        "cells": tmp_path / "cells.toml",
        "agent_redis_url": "redis://r.example:1/2",
        "redis_admin_url": "redis://admin:pw@r:1/2",
        "context": "prod",
        "url": "https://api.example/jobs",
        "labels": {"group": "web.dev", "n": "1"},
        "lease_seconds": 3.5,
        "heartbeat_seconds": 1.0,
        "job_ttl_seconds": 60,
        "max_body_bytes": 2048,
        "max_job_bytes": 1024,
        "max_body_values": 2000,
        "jwt_jwks_max_age_seconds": 3600,
        "approval_seconds": 7200,
        "url_prefix": "/tools/jq",
        "header_seconds": 2.5,
        "body_seconds": 30.0,
        "concurrency": 2,
        "python_modules": ("a", "b.c"),
        "api_port": 9000,
        "api_workers": 3,
        "log_level": "DEBUG",
        "log_format": "json",
        "metrics_port": 9101,
        "max_output_bytes": 4096,
        "max_log_bytes": 8192,
        "max_fetched_bytes": 8193,
        "max_stored_fetched_bytes": 8194,
        "default_timeout_seconds": 30.0,
        "cache_dir": tmp_path / "cache",
        "max_cache_bytes": 2_000_000,
        "max_package_bytes": 3000,
        "max_packages_bytes": 4000,
        "package_ttl_seconds": 90,
        "max_unpacked_bytes": 5000,
        "s3_endpoint": "https://s3.example.org:9000",
        "s3_credentials": tmp_path / "s3.ini",
        "s3_min_bytes": 6000,
        "s3_address_seconds": 600,
        "max_object_bytes": 7000,
        "data_dir": tmp_path / "collections",
        "jwt_public_key": tmp_path / "issuer.pem",
        "oidc_scopes": ("openid", "profile"),
        "oidc_session_seconds": 600,
        "login_failures": 5,
        "login_window_seconds": 60,
        "rate_limit": 2.5,
        "rate_burst": 7,
        "tls_cert": tmp_path / "cert.pem",
        "tls_key": tmp_path / "key.pem",
        "behind_proxy": True,
        "allowed_hosts": ("jobs.example.com", "*.example.org"),
        "notification_hosts": ("hooks.intern", "*.intern", "10.1.0.0/16", "fd00::/8"),
        "audit_entries": 1000,
        "unrecorded_jobs": "refuse",
        "lost_journal": "run",
        "signing_key": tmp_path / "private.pem",
        "trusted_keys": tmp_path / "public.pem",
        "signature_ttl_seconds": 120,
        "clock_skew_seconds": 2.5,
        "allow": ("read-only", "command.*"),
        "policy": tmp_path / "policy.json",
        "pass_environment": ("JAVA_HOME", "X_*"),
        "limit_memory_bytes": 1024**3,
        "limit_cpu_seconds": 60,
        "limit_open_files": 256,
        "limit_processes": 100,
        "secrets_dir": tmp_path / "secrets",
    }


def test_it_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings(tmp_path).token = "other"  # type: ignore[misc]


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    assert settings(tmp_path, JOBQUEUE_TOKEN="", JOBQUEUE_CONCURRENCY=" ") == settings(tmp_path)


def test_overrides_win_and_none_is_not_given(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "JOBQUEUE_API_PORT": "9000", "JOBQUEUE_API_HOST": "10.0.0.1"}
    found = Settings.from_env(environ, api_port=9001, api_host=None)
    assert (found.api_port, found.api_host) == (9001, "10.0.0.1")
    with pytest.raises(InvalidSettings, match="JOBQUEUE_API_PORT must be a whole number from 1 to 65535, not '0'"):
        Settings.from_env(environ, api_port=0)
    with pytest.raises(TypeError, match="no field 'prot'"):
        Settings.from_env(environ, prot=1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("JOBQUEUE_REDISURL", "did you mean JOBQUEUE_REDIS_URL"),
        ("JOBQUEUE_LABEL", r"did you mean JOBQUEUE_LABELS\?"),
        ("JOBQUEUE_HEARTBEAT", r"did you mean JOBQUEUE_HEARTBEAT_SECONDS\?"),
        ("JOBQUEUE_QQQ", "the nearest name is JOBQUEUE_"),
    ],
)
def test_an_unknown_name_is_an_error_with_near_matches(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(InvalidSettings, match=f"Unknown setting {name}; {says}"):
        settings(tmp_path, **{name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE_SECONDS", "soon"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "-1"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "inf"),
        ("HEARTBEAT_SECONDS", "1e9"),
        ("JOB_TTL_SECONDS", "1.5"),
        ("JOB_TTL_SECONDS", "9" * 30),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "eight"),
        ("CONCURRENCY", "٣"),
        ("API_PORT", "65536"),
        ("MAX_BODY_BYTES", "1"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("BROKER_URL", "kafka://b"),
        ("URL", "ftp://x"),
        ("URL", "http://"),
        ("URL", "http://h:99999"),
        ("URL", "http://[::1"),
        ("URL", "http://user:pw@h"),
        ("TOKEN", "two words"),
        ("TOKEN", "naïve"),
        ("HOSTNAME", "web 1"),
        ("HOSTNAME", "_all"),
        ("LABELS", "group"),
        ("LABELS", "group=web,group=db"),
        ("LABELS", "group=we b"),
        ("LABELS", "=web"),
        ("KEY_PREFIX", "a b"),
        ("PYTHON_MODULES", "a-b"),
        ("PYTHON_MODULES", "a..b"),
        ("LOG_LEVEL", "loud"),
        ("API_HOST", "a b"),
        ("API_SECRET", "short"),
        ("JWT_SECRET", "x" * 31),
        ("JWT_ISSUER", "two words"),
        ("LOGIN_FAILURES", "0"),
        ("RATE_LIMIT", "-1"),
        ("BEHIND_PROXY", "maybe"),
        ("ALLOWED_HOSTS", "http://a"),
        ("NOTIFICATION_HOSTS", "https://hooks.intern"),
        ("NOTIFICATION_HOSTS", "10.1.0.0/99"),
        ("AUDIT_ENTRIES", "1"),
    ],
)
def test_bad_values_are_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        settings(tmp_path, **{f"JOBQUEUE_{name}": value})
    assert str(caught.value).startswith(f"JOBQUEUE_{name}")
    assert list(caught.value.details or {}) == [f"JOBQUEUE_{name}"]


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"JWT_SECRET": "x" * 32}, ["JWT_ISSUER", "JWT_AUDIENCE"]),
        ({"JWT_PUBLIC_KEY": "/k.pem", "JWT_ISSUER": "us"}, ["JWT_AUDIENCE"]),
        ({"TLS_CERT": "/c.pem"}, ["TLS_KEY"]),
        ({"TLS_KEY": "/k.pem"}, ["TLS_CERT"]),
    ],
)
def test_what_goes_together_is_asked_for(tmp_path: Path, given: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(InvalidSettings) as caught:
        settings(tmp_path, **{f"JOBQUEUE_{name}": value for name, value in given.items()})
    assert list(caught.value.details or {}) == [f"JOBQUEUE_{name}" for name in missing]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings) as caught:
        settings(tmp_path, JOBQUEUE_TYPO="1", JOBQUEUE_API_PORT="x", JOBQUEUE_LEASE_SECONDS="y")
    assert set(caught.value.details or {}) == {"JOBQUEUE_TYPO", "JOBQUEUE_API_PORT", "JOBQUEUE_LEASE_SECONDS"}


def test_no_secret_in_messages_or_representation(tmp_path: Path) -> None:
    found = settings(tmp_path, JOBQUEUE_TOKEN="s3cret", JOBQUEUE_REDIS_URL="redis://:s3cret@h/0")
    assert "s3cret" not in repr(found)
    assert found.masked_redis_url == "redis://:***@h/0"
    for name, value in (
        ("API_SECRET", "s3cret"),
        ("JWT_SECRET", "s3cret"),
        ("TOKEN", "s3cret s3cret"),
        ("REDIS_URL", "redis://u:s3cret@h/x"),
        ("URL", "x://u:s3cret@h"),
    ):
        with pytest.raises(InvalidSettings) as caught:
            settings(tmp_path, **{f"JOBQUEUE_{name}": value})
        assert "s3cret" not in str(caught.value)


def test_the_state_directory_fills_in_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text("unix:///run/x.sock\n")
    (tmp_path / "api.url").write_text("http://127.0.0.1:9999\n")
    (tmp_path / "admin.token").write_text("from-file\n")
    found = settings(tmp_path, JOBQUEUE_STATE_DIR=str(tmp_path))
    assert (found.redis_url, found.broker_url) == ("unix:///run/x.sock", "unix:///run/x.sock")
    assert (found.url, found.token) == ("http://127.0.0.1:9999", "from-file")
    found = settings(
        tmp_path,
        JOBQUEUE_STATE_DIR=str(tmp_path),
        JOBQUEUE_REDIS_URL="redis://r",
        JOBQUEUE_URL="http://u",
        JOBQUEUE_TOKEN="t",
    )
    assert (found.redis_url, found.url, found.token) == ("redis://r", "http://u", "t")


def test_a_broken_state_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text("rubbish\n")
    with pytest.raises(InvalidSettings, match=r"redis\.url contains no valid value; set JOBQUEUE_REDIS_URL"):
        settings(tmp_path, JOBQUEUE_STATE_DIR=str(tmp_path))
    (tmp_path / "redis.url").unlink()
    (tmp_path / "redis.url").mkdir()
    with pytest.raises(InvalidSettings, match=r"redis\.url cannot be read"):
        settings(tmp_path, JOBQUEUE_STATE_DIR=str(tmp_path))


def test_where_the_state_is_by_default(tmp_path: Path) -> None:
    assert settings(tmp_path, XDG_STATE_HOME="/x").state_dir == Path("/x/jobqueue")
    assert settings(tmp_path, XDG_STATE_HOME="relative").state_dir == tmp_path / ".local/state/jobqueue"
    assert settings(tmp_path, JOBQUEUE_STATE_DIR="here").state_dir == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("web1.example", "web1.example"),
        ("my host!", "my-host"),
        ("-x-", "x"),
        ("..", "localhost"),
        ("a" * 300, "a" * 253),
    ],
)
def test_this_machines_name_is_made_valid(monkeypatch: pytest.MonkeyPatch, name: str, valid: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert local_hostname() == valid


def test_labels() -> None:
    assert parse_labels("") == {}
    assert parse_labels("group=web.dev,n=1,") == {"group": "web.dev", "n": "1"}
    assert parse_labels("group:web.dev, n=1") == {"group": "web.dev", "n": "1"}


def test_secrets_are_no_settings(tmp_path: Path) -> None:
    """They may have any name; what is nearly such a name is a typo."""
    assert "not for anybody" not in repr(settings(tmp_path, JOBQUEUE_SECRET_DB_PASSWORD="not for anybody"))
    with pytest.raises(InvalidSettings, match="Unknown setting JOBQUEUE_SECRETDIR"):
        settings(tmp_path, JOBQUEUE_SECRETDIR="x")


@pytest.mark.parametrize("value", ["unix:///run/r.sock", "redis://u:pw@r/0", "sentinel://s:1/main", "r.example"])
def test_the_address_for_other_hosts_is_one_of_the_network_without_credentials(value: str) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_AGENT_REDIS_URL"):
        Settings.from_env({"HOME": "/", "JOBQUEUE_AGENT_REDIS_URL": value})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"JOBQUEUE_OIDC_CLIENT_ID": "a"}, "JOBQUEUE_JWT_ISSUER is missing"),
        ({"JOBQUEUE_OIDC_CLIENT_SECRET": "a"}, "JOBQUEUE_OIDC_CLIENT_ID is missing"),
        ({"JOBQUEUE_OIDC_DEVICE_CLIENT_ID": "a"}, "JOBQUEUE_OIDC_CLIENT_ID is missing"),
        ({"JOBQUEUE_OIDC_SCOPES": "profile"}, "openid"),
        ({"JOBQUEUE_OIDC_SCOPES": "openid,a b"}, "openid"),
        ({"JOBQUEUE_OIDC_SESSION_SECONDS": "59"}, "JOBQUEUE_OIDC_SESSION_SECONDS"),
    ],
)
def test_settings_of_an_identity_provider(tmp_path: Path, environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSettings, match=says):
        settings(tmp_path, **environ)
