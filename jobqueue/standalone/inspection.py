"""The checks of ``jobqueue check``, which neither start nor change anything."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from jobqueue import redis_server
from jobqueue.errors import BucketUnavailable, InvalidSettings
from jobqueue.redis_url import SCHEMES, RedisUrl, mask_password
from jobqueue.settings import Settings

_TIMEOUT_SECONDS = 3.0


class CheckResult(Enum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The result of one check, in a sentence."""

    verdict: CheckResult
    text: str


def inspect(settings: Settings) -> list[Finding]:
    """Check the one or two Redis servers in ``settings``, the cells of a front, and the bucket."""
    findings = inspect_redis("Redis", settings.redis_url)
    if all(finding.verdict is not CheckResult.ERROR for finding in findings):
        findings += inspect_pauses(settings)
    findings += [*inspect_cells(settings), *inspect_bucket(settings)]
    if settings.broker_url == settings.redis_url:
        return findings
    if settings.broker_url.partition("://")[0] in SCHEMES:
        return [*findings, *inspect_redis("The broker's Redis", settings.broker_url)]
    unseen = f"The broker {mask_password(settings.broker_url)} is not a Redis; it was not checked."
    return [*findings, Finding(CheckResult.WARNING, unseen)]


def inspect_redis(name: str, url: str) -> list[Finding]:
    """Whether the Redis at ``url`` is reachable and suitable for the ledger."""
    address = mask_password(url)
    try:
        with _connect(RedisUrl.parse(url)) as client:
            client.ping()
            info: dict[str, Any] = client.info()
    except RedisError as error:
        return [Finding(CheckResult.ERROR, f"{name} at {address} cannot be used: {str(error).rstrip('.')}.")]
    return [Finding(CheckResult.OK, f"{name} at {address} answers."), *judge(name, info)]


def inspect_pauses(settings: Settings) -> list[Finding]:
    """A warning while something is paused."""
    keys: Any = importlib.import_module("jobqueue.ledger.keys")  # above this layer
    try:
        with _connect(RedisUrl.parse(settings.redis_url)) as client:
            paused: Any = client.hlen(keys.Keys(settings.key_prefix).kind("pauses"))
    except RedisError as error:
        return [Finding(CheckResult.ERROR, f"The pauses in Redis cannot be read: {str(error).rstrip('.')}.")]
    if not paused:
        return []
    text = f"Jobs wait: {paused} pause(s) are in force; `jobqueue pause list` shows them."
    return [Finding(CheckResult.WARNING, text)]


def inspect_cells(settings: Settings) -> list[Finding]:
    """Whether the cells of a front answer and take its tokens; nothing without cells."""
    if settings.cells is None:
        return []
    from jobqueue.cells.inspection import troubles  # the client's libraries, which only a front needs

    try:
        by_cell = troubles(settings.cells)
    except InvalidSettings as error:
        return [Finding(CheckResult.ERROR, error.message)]
    return [
        Finding(CheckResult.ERROR if trouble else CheckResult.OK, trouble or f"The cell {name} answers.")
        for name, trouble in by_cell.items()
    ]


def inspect_bucket(settings: Settings) -> list[Finding]:
    """Whether the bucket for large objects can be listed; nothing without one."""
    if not settings.s3_bucket:
        return []
    buckets: Any = importlib.import_module("jobqueue.services.bucket")  # above this layer
    try:
        bucket = buckets.Bucket.open(settings)
        next(bucket.entries(), None)
        _check_owner(settings, bucket)
    except (BucketUnavailable, InvalidSettings) as error:
        return [Finding(CheckResult.ERROR, error.message)]
    return [Finding(CheckResult.OK, f"The bucket {bucket.title} answers.")]


def _check_owner(settings: Settings, bucket: Any) -> None:
    """Raises ``BucketTaken`` if the bucket belongs to another installation."""
    keys: Any = importlib.import_module("jobqueue.ledger.keys")  # above this layer
    owners: Any = importlib.import_module("jobqueue.services.bucket_owner")
    try:
        with _connect(RedisUrl.parse(settings.redis_url)) as client:
            installation = client.get(keys.Keys(settings.key_prefix).kind("installation"))
    except RedisError:
        return  # Redis has findings of its own
    if isinstance(installation, bytes):
        installation = installation.decode(errors="replace")
    owners.is_owner(bucket, installation or "")


def judge(name: str, info: dict[str, Any]) -> list[Finding]:
    """Findings from a server's ``INFO``."""
    old, eviction = redis_server.too_old(name, info), redis_server.evicts(name, info)
    complaints = (old, redis_server.is_cluster(name, info), eviction)
    findings = [Finding(CheckResult.ERROR, complaint) for complaint in complaints if complaint]
    if not old:
        product, version = redis_server.identity(info)
        findings.append(Finding(CheckResult.OK, f"{name} runs {product} {version}."))
    if not eviction:
        findings.append(Finding(CheckResult.OK, f"{name} evicts nothing (maxmemory-policy noeviction)."))
    has_room, connections = redis_server.room(name, info)
    if connections:
        findings.append(Finding(CheckResult.OK if has_room else CheckResult.WARNING, connections))
    if info.get("role") == "slave":
        findings.append(
            Finding(CheckResult.ERROR, f"{name} is a replica, which rejects writes; give the address of the primary.")
        )
    if not info.get("aof_enabled"):
        findings.append(
            Finding(
                CheckResult.WARNING,
                f"{name} has no append-only file: jobs since its last snapshot are lost when it crashes. "
                "Set appendonly yes.",
            )
        )
    return findings


def _connect(url: RedisUrl) -> redis.Redis:
    options: dict[str, Any] = {
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "socket_timeout": _TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.scheme == "sentinel":
        sentinels = Sentinel(list(url.hosts), sentinel_kwargs={**options, "password": url.sentinel_password})
        client: redis.Redis = sentinels.master_for(
            url.service, db=url.db, username=url.username, password=url.password, **options
        )
        return client
    return redis.Redis.from_url(url.text, **options)
