"""The configuration: ``JOBQUEUE_*`` names of the environment, read once, validated, frozen."""

from __future__ import annotations

import difflib
import ipaddress
import math
import os
import re
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobqueue.errors import InvalidInput, InvalidSettings
from jobqueue.model.prefix import check_prefix
from jobqueue.model.target import check_hostname, check_label
from jobqueue.plain_text import decoded, reason_of
from jobqueue.redis_url import RedisUrl, mask_password

PREFIX = "JOBQUEUE_"
#: Longer names are cut before they are compared with others, which takes time.
_LONGEST_NAME = 80
#: Not settings: secrets of an agent's host, by name (``jobqueue/trust/secrets``).
SECRET_PREFIX = "JOBQUEUE_SECRET_"  # noqa: S105 (the beginning of names)
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
DEFAULT_URL = "http://127.0.0.1:8080"
#: Files of the state directory that ``jobqueue up`` writes and that supply values the environment does not set.
REDIS_URL_FILE = "redis.url"
API_URL_FILE = "api.url"
SIGNING_KEY_FILE = "signing.key"
TRUSTED_KEYS_FILE = "signing.pub"
SECRET_FILE = "api.secret"  # noqa: S105 (the name of a file)
TOKEN_FILE = "admin.token"  # noqa: S105 (the name of a file)

#: Fields whose values are never shown and never passed to operations.
SECRETS = frozenset({"token", "api_secret", "jwt_secret", "oidc_client_secret", "join_token"})
_BROKER_SCHEMES = ("amqp", "amqps")
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


def _default_workers() -> int:
    return max(1, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class Settings:
    """The configuration. ``JOBQUEUE_<FIELD>`` sets a field; an empty value counts as unset.

    ``redis_url``            the ledger: redis://, rediss://, unix:// or sentinel://; else what a running ``up``
                             wrote to the state directory, else redis://127.0.0.1:6379/0
    ``broker_url``           where Celery's messages go; the same Redis unless set (also amqp://)
    ``agent_redis_url``      the API's: address, without credentials, at which other hosts reach Redis, for bundles;
                             else ``redis_url``, if that is not local to this machine
    ``redis_admin_url``      the API's: address of Redis with a user that may create users, for agents' bundles;
                             else ``redis_url``
    ``url``                  the API's address, for the client; else a running ``up``'s, else http://127.0.0.1:8080
    ``context``              name of the client's context (`jobqueue context`), if ``url`` is not set
    ``token``                bearer token of the API and of the client; else the state directory's ``admin.token``
    ``state_dir``            where ``up`` keeps its state; $XDG_STATE_HOME/jobqueue or ~/.local/state/jobqueue
    ``hostname``, ``labels`` an agent's name, and its labels as ``k=v,k2=v2``
    ``lease_seconds``        how long a claimed execution stays claimed without a renewal by its agent
    ``heartbeat_seconds``    how often an agent reports; in fleets of thousands less often, see ``docs/scale.md``
    ``job_ttl_seconds``      how long a finished job is kept
    ``max_body_bytes``       largest request body that the API reads (batches of jobs)
    ``max_job_bytes``        largest body of any other request, such as a single job
    ``max_body_values``      most JSON values in one body; decoding 50,000 takes a tenth of a second at most
    ``header_seconds``       time limit for a request's headers, from their first byte on
    ``body_seconds``         time limit for a request's body; for a package, for each 256 KiB of it
    ``key_prefix``           first part of every key in Redis
    ``concurrency``          executions that one agent runs at a time
    ``python_modules``       modules whose functions ``python.call`` may run, as ``mod,pkg.mod``; none by default
    ``api_host``, ``api_port``, ``api_workers``  where the API listens, and its number of processes
    ``log_level``            DEBUG, INFO, WARNING, ERROR or CRITICAL
    ``log_format``           console, or json: one JSON object per line
    ``metrics_host``, ``metrics_port``  where agents and maintenance serve their metrics; not served without a port
    ``traces``               off, otlp (by the standard OTEL_* names of the environment) or console
    ``max_output_bytes``     size limit of each output stream in a command's result
    ``max_log_bytes``        size of an execution's live output that is kept (the newest)
    ``max_fetched_bytes``    files that an agent's host sends for one job, all together
    ``max_stored_fetched_bytes``  files in Redis that hosts sent, of all jobs; an agent that would exceed it sends none
    ``default_timeout_seconds``  timeout of jobs without one; unlimited by default
    ``cache_dir``, ``max_cache_bytes``  where an agent keeps packages and environments; <state_dir>/cache
    ``max_package_bytes``    largest package that can be uploaded
    ``max_packages_bytes``   total size of all uploaded packages in Redis
    ``package_ttl_seconds``  how long a package is kept after it was last used
    ``s3_bucket``            the API keeps the content of large objects in this bucket of an S3 service, not in Redis
    ``s3_endpoint``          address of the service, at which agents reach it, too; else that of AWS in ``s3_region``
    ``s3_region``            region of the bucket
    ``s3_prefix``            how the names of all keys in the bucket begin
    ``s3_credentials``       file with the credentials, as AWS's command line has it; else AWS_* of the environment
    ``s3_min_bytes``         smaller content stays in Redis
    ``s3_address_seconds``   how long an address of content is valid that the API signs for agents
    ``max_object_bytes``     largest object in the bucket
    ``max_unpacked_bytes``   size limit of one unpacked package
    ``data_dir``             where the collections of aggregations are; <state_dir>/data
    ``api_secret``           secret that seals the API's records and sessions, at least 32 characters, the same for all
                             its processes; else <state_dir>/api.secret, made at the first start
    ``jwt_secret``           accepts JSON Web Tokens with HS256: the shared secret, at least 32 bytes
    ``jwt_public_key``       accepts JSON Web Tokens by the issuer's public key, a PEM file: Ed25519, RSA or EC
    ``jwt_jwks``             accepts JSON Web Tokens by the issuer's published keys (JWKS): https:// address, or file
    ``approval_seconds``     how long a job that exceeds a grant's limits waits for an approval before it expires
    ``jwt_jwks_max_age_seconds``  how long the last good key set is used when no newer one is available
    ``jwt_issuer``, ``jwt_audience``  required iss and aud of the tokens; required with any of the three
    ``oidc_client_id``       people sign in at the provider jwt_issuer: the id under which the dashboard is registered
    ``oidc_client_secret``   the dashboard's secret there; none for a public client
    ``oidc_device_client_id``  the client of `jobqueue login`, a public one; oidc_client_id
    ``oidc_scopes``          scopes that are asked for, as openid,profile
    ``oidc_session_seconds``  how long a browser's session lasts after it was signed in by the provider
    ``login_failures``, ``login_window_seconds``  failed logins allowed per address within this time
    ``rate_limit``, ``rate_burst``  requests per second of one principal, and how many at once; 0: no limit
    ``tls_cert``, ``tls_key``  PEM files with which the API serves HTTPS
    ``behind_proxy``         1: trust X-Forwarded-* headers; a TLS proxy is the only client
    ``url_prefix``           path under which a proxy serves the API, such as /jq; else X-Forwarded-Prefix with a proxy
    ``allowed_hosts``        names in the header Host besides the address: a.example,*.b.example or *
    ``notification_hosts``   hosts inside that webhooks may reach, also by http: names and networks, as
                             ``hooks.example.org,*.intern,10.1.0.0/16``; else only public addresses, by https
    ``audit_entries``        how many entries of the audit trail are kept, the newest
    ``unrecorded_jobs``      accept or refuse jobs while the audit trail cannot be written
    ``signing_key``          the API's private key (Ed25519, PEM); <state_dir>/signing.key, made at the first start
    ``trusted_keys``         an agent's file with the public keys whose work it runs; <state_dir>/signing.pub
    ``signature_ttl_seconds``  validity of signed work for jobs without expires_at
    ``clock_skew_seconds``   largest difference between the clocks of API and agents
    ``lost_journal``         refuse: an agent whose journal was lost refuses work that was signed before; or run
    ``join_token``           an agent's one-time token of `jobqueue agent invite`; without one it waits to be accepted
    ``allow``                operations that an agent runs, as ``op,family.*``; ``read-only``, the default, means
                             all that change nothing and look into no files
    ``policy``               file with more rules of an agent, by argument, user and limits (docs/guard.md)
    ``pass_environment``     names of an agent's environment that processes of jobs inherit, as ``NAME,OTHER_*``
    ``ansible``              an agent's Python that has ansible-core, for operations that run its modules; ``build``:
                             the agent installs it into an environment of its own; else they are not offered
    ``limit_memory_bytes``, ``limit_cpu_seconds``, ``limit_open_files``, ``limit_processes``  limits of such processes
    ``secrets_dir``          an agent's directory with a file per secret that jobs may name; the API's, with those of
                             notifications
    ``secrets_command``      program that gets the name of a secret and prints its value
    ``cells``                the front's file with the addresses of its cells (docs/cells.md)
    """

    state_dir: Path
    redis_url: str = field(default=DEFAULT_REDIS_URL, repr=False)
    broker_url: str = field(default="", repr=False)
    agent_redis_url: str = ""
    redis_admin_url: str = field(default="", repr=False)
    url: str = DEFAULT_URL
    context: str = ""
    token: str | None = field(default=None, repr=False)
    hostname: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    lease_seconds: float = 15.0
    heartbeat_seconds: float = 5.0
    job_ttl_seconds: int = 604_800
    max_body_bytes: int = 8 * 1024 * 1024
    max_job_bytes: int = 2 * 1024 * 1024
    max_body_values: int = 50_000
    header_seconds: float = 15.0
    body_seconds: float = 60.0
    key_prefix: str = "jobqueue:"
    concurrency: int = 8
    python_modules: tuple[str, ...] = ()
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    api_workers: int = field(default_factory=_default_workers)
    log_level: str = "INFO"
    log_format: str = "console"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    traces: str = "off"
    max_output_bytes: int = 1024 * 1024
    max_log_bytes: int = 4 * 1024 * 1024
    max_fetched_bytes: int = 64 * 1024 * 1024
    max_stored_fetched_bytes: int = 2 * 1024**3
    default_timeout_seconds: float | None = None
    cache_dir: Path = Path()
    max_cache_bytes: int = 10 * 1024**3
    max_package_bytes: int = 100 * 1024**2
    max_packages_bytes: int = 2 * 1024**3
    package_ttl_seconds: int = 604_800
    s3_bucket: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_prefix: str = "jobqueue/"
    s3_credentials: Path | None = None
    s3_min_bytes: int = 1024**2
    s3_address_seconds: int = 900
    max_object_bytes: int = 5 * 1024**3
    max_unpacked_bytes: int = 1024**3
    data_dir: Path = Path()
    api_secret: str | None = field(default=None, repr=False)
    jwt_secret: str | None = field(default=None, repr=False)
    jwt_public_key: Path | None = None
    jwt_jwks: str = ""
    jwt_jwks_max_age_seconds: int = 86_400
    approval_seconds: int = 86_400
    jwt_issuer: str = ""
    jwt_audience: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_device_client_id: str = ""
    oidc_scopes: tuple[str, ...] = ("openid",)
    oidc_session_seconds: int = 14_400
    login_failures: int = 20
    login_window_seconds: int = 300
    rate_limit: float = 0.0
    rate_burst: int = 100
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    url_prefix: str = ""
    allowed_hosts: tuple[str, ...] = ()
    notification_hosts: tuple[str, ...] = ()
    audit_entries: int = 100_000
    unrecorded_jobs: str = "accept"
    signing_key: Path = Path()
    trusted_keys: Path = Path()
    signature_ttl_seconds: int = 604_800
    clock_skew_seconds: float = 60.0
    lost_journal: str = "refuse"
    join_token: str | None = field(default=None, repr=False)
    allow: tuple[str, ...] = ("read-only",)
    policy: Path | None = None
    pass_environment: tuple[str, ...] = ()
    ansible: str = ""
    limit_memory_bytes: int | None = None
    limit_cpu_seconds: int | None = None
    limit_open_files: int | None = None
    limit_processes: int | None = None
    secrets_dir: Path | None = None
    secrets_command: str = ""
    cells: Path | None = None

    def __post_init__(self) -> None:
        """Fill in the values that depend on other fields."""
        for name in ("cache", "data"):
            if getattr(self, f"{name}_dir") == Path():
                object.__setattr__(self, f"{name}_dir", self.state_dir / name)
        for name, file_name in (("signing_key", SIGNING_KEY_FILE), ("trusted_keys", TRUSTED_KEYS_FILE)):
            if getattr(self, name) == Path():
                object.__setattr__(self, name, self.state_dir / file_name)
        if not self.oidc_device_client_id:
            object.__setattr__(self, "oidc_device_client_id", self.oidc_client_id)
        if not self.broker_url:
            object.__setattr__(self, "broker_url", self.redis_url)
        if not self.hostname:
            object.__setattr__(self, "hostname", local_hostname())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
        """Settings from ``environ``, by default the process's own; ``overrides`` win (None counts as not given).

        Raises ``InvalidSettings`` that names every unknown or invalid ``JOBQUEUE_*`` name at once, in ``details`` too.
        """
        environ = os.environ if environ is None else environ
        problems = _unknown_names(environ)
        values: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
        for name in values:
            if name not in _CHECKS:
                raise TypeError(f"Settings has no field {name!r}")
        for name in _CHECKS:
            text = environ.get(env_name(name), "").strip()
            if text and name not in values:
                values[name] = text
        for name, value in list(values.items()):
            try:
                values[name] = _CHECKS[name](value)
            except (ValueError, InvalidInput) as error:
                problems[env_name(name)] = _complaint(name, value, error)
        if not problems:
            problems = _missing(values)
        if not problems:
            values = _with_state(values, environ, problems)
        if problems:
            raise InvalidSettings(" ".join(problems.values()), {name: [text] for name, text in problems.items()})
        return cls(**values)

    @property
    def max_cached_packages_bytes(self) -> int:
        """The part of an agent's cache that uploaded packages may take."""
        return self.max_cache_bytes // 4

    @property
    def max_cached_environments_bytes(self) -> int:
        """The part of an agent's cache that environments may take: the rest."""
        return self.max_cache_bytes - self.max_cached_packages_bytes

    @property
    def has_own_signing_key(self) -> bool:
        """Whether the private key is the state directory's, which may be generated."""
        return self.signing_key == self.state_dir / SIGNING_KEY_FILE

    @property
    def masked_redis_url(self) -> str:
        """``redis_url`` without its password: safe for logs and messages."""
        return mask_password(self.redis_url)

    def broker(self) -> tuple[str, dict[str, Any]]:
        """``(broker_url, transport_options)`` in Celery's spelling."""
        if self.broker_url.partition("://")[0] in _BROKER_SCHEMES:
            return self.broker_url, {}
        return RedisUrl.parse(self.broker_url).broker()


def check_allowed(patterns: Sequence[str]) -> None:
    """Raise ``InvalidInput`` unless these are names or patterns of operations, as in ``allow``."""
    try:
        _CHECKS["allow"](patterns)
    except ValueError as error:
        raise InvalidInput(f"The allowed operations must be {error}, not {', '.join(patterns)[:120]!r}.") from error


def env_name(field_name: str) -> str:
    """``lease_seconds`` -> ``JOBQUEUE_LEASE_SECONDS``."""
    return PREFIX + field_name.upper()


def local_hostname() -> str:
    """This machine's name, with what an agent's hostname may not contain replaced by dashes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname())[:253].strip("._-")
    return name or "localhost"


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


def _missing(values: Mapping[str, Any]) -> dict[str, str]:
    """Missing settings that another setting requires, by their names in the environment."""
    names = {name for name, value in values.items() if value}
    missing = {}
    for name, needed, why in _TOGETHER:
        if name in names and needed not in names:
            missing[env_name(needed)] = f"{env_name(needed)} is missing: {why}"
    return missing


def _unknown_names(environ: Mapping[str, str]) -> dict[str, str]:
    names = [env_name(name) for name in _CHECKS]
    problems = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names and not name.startswith(SECRET_PREFIX):
            problems[name] = f"Unknown setting {name}; {_hint(name, names)}"
    return problems


def _hint(name: str, names: list[str]) -> str:
    word, words = name.removeprefix(PREFIX)[:_LONGEST_NAME], [env.removeprefix(PREFIX) for env in names]
    near = difflib.get_close_matches(word, words, n=3)
    if near:
        return f"did you mean {' or '.join(PREFIX + match for match in near)}?"
    (nearest,) = difflib.get_close_matches(word, words, n=1, cutoff=0.0)
    return f"the nearest name is {PREFIX}{nearest}; docs/settings.md describes all of them."


def _complaint(name: str, value: Any, error: Exception) -> str:
    if isinstance(error, InvalidInput):
        return f"{env_name(name)}: {error}"
    shown = "that" if name in SECRETS else repr(mask_password(str(value))[:120])
    return f"{env_name(name)} must be {error}, not {shown}."


def _with_state(values: dict[str, Any], environ: Mapping[str, str], problems: dict[str, str]) -> dict[str, Any]:
    """Add the state directory, and the values from its files for settings that are still unset."""
    state_dir = values.get("state_dir") or _default_state_dir(environ)
    settings_found = {"state_dir": state_dir}
    for name, file_name in (("redis_url", REDIS_URL_FILE), ("url", API_URL_FILE), ("token", TOKEN_FILE)):
        path = state_dir / file_name
        if name in values:
            continue
        try:
            text = decoded(path.read_bytes()).strip()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeError) as error:
            problems[env_name(name)] = (
                f"{path} cannot be read ({reason_of(error)}); set {env_name(name)} or remove the file."
            )
            continue
        if not text:
            continue
        try:
            settings_found[name] = _CHECKS[name](text)
        except (ValueError, InvalidInput):
            problems[env_name(name)] = f"{path} contains no valid value; set {env_name(name)} or remove the file."
    return {**settings_found, **values}


def _default_state_dir(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        return Path(base) / "jobqueue"
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".local/state/jobqueue"
    try:
        return Path.home() / ".local/state/jobqueue"
    except RuntimeError as error:
        raise InvalidSettings("The user has no home directory to keep the state in; set JOBQUEUE_STATE_DIR.") from error


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
    return text if text.partition("://")[0] in _BROKER_SCHEMES else _redis_url(text)


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
_CLIENT = "without a client that is registered with the provider, there is no signing in by it."
_BUCKET_NEEDED = "it is of no use without the name of the bucket."
_PAIR = "TLS needs a certificate and its key."
#: A setting, another one that it requires, and why.
_TOGETHER = (
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

_CHECKS: Mapping[str, Callable[[Any], Any]] = {
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
