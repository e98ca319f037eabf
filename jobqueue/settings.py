"""The configuration: ``JOBQUEUE_*`` names of the environment, read once, validated, frozen."""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobqueue.errors import InvalidInput, InvalidSettings
from jobqueue.plain_text import decoded, reason_of
from jobqueue.redis_url import RedisUrl, mask_password
from jobqueue.setting_checks import BROKER_SCHEMES, CHECKS, TOGETHER

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
            if name not in CHECKS:
                raise TypeError(f"Settings has no field {name!r}")
        for name in CHECKS:
            text = environ.get(env_name(name), "").strip()
            if text and name not in values:
                values[name] = text
        for name, value in list(values.items()):
            try:
                values[name] = CHECKS[name](value)
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
        if self.broker_url.partition("://")[0] in BROKER_SCHEMES:
            return self.broker_url, {}
        return RedisUrl.parse(self.broker_url).broker()


def check_allowed(patterns: Sequence[str]) -> None:
    """Raise ``InvalidInput`` unless these are names or patterns of operations, as in ``allow``."""
    try:
        CHECKS["allow"](patterns)
    except ValueError as error:
        raise InvalidInput(f"The allowed operations must be {error}, not {', '.join(patterns)[:120]!r}.") from error


def env_name(field_name: str) -> str:
    """``lease_seconds`` -> ``JOBQUEUE_LEASE_SECONDS``."""
    return PREFIX + field_name.upper()


def local_hostname() -> str:
    """This machine's name, with what an agent's hostname may not contain replaced by dashes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname())[:253].strip("._-")
    return name or "localhost"


def _missing(values: Mapping[str, Any]) -> dict[str, str]:
    """Missing settings that another setting requires, by their names in the environment."""
    names = {name for name, value in values.items() if value}
    missing = {}
    for name, needed, why in TOGETHER:
        if name in names and needed not in names:
            missing[env_name(needed)] = f"{env_name(needed)} is missing: {why}"
    return missing


def _unknown_names(environ: Mapping[str, str]) -> dict[str, str]:
    names = [env_name(name) for name in CHECKS]
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
            settings_found[name] = CHECKS[name](text)
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
