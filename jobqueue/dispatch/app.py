"""The Celery application of both sides: how messages are encoded and how workers read them."""

from __future__ import annotations

from typing import Any

from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobqueue.dispatch.connection import Amqp
from jobqueue.dispatch.queues import PRIORITY_STEPS
from jobqueue.settings import Settings

#: Seconds between two checks of the connection on which an agent waits for messages. A waiting Redis answers at least
#: every WAIT_SECONDS; a connection that has been silent for this much longer is replaced at the next check.
CHECK_SECONDS = 3
#: Seconds after which a connection attempt, or a command without an answer, fails. Without this limit, an agent would
#: wait forever on a connection that was cut silently, and would not even stop when asked to.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
#: The same for RabbitMQ: either side closes a connection that was silent for this long.
AMQP_HEARTBEAT_SECONDS = 6


def is_ledger_broker(settings: Settings) -> bool:
    """Whether messages go to the ledger's own Redis, so that its scripts can publish them."""
    return settings.broker_url == settings.redis_url


def make_app(settings: Settings) -> Celery:
    """A Celery app for one deployment. It stores no results: the ledger does."""
    url, transport_options = settings.broker()
    app = Celery("jobqueue", broker=url, amqp=Amqp, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # on a broker with acknowledgements, a message is acknowledged once the ledger holds the result
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_create_missing_queues=False,
        # an agent fetches a message only when it can run it: `_any` is shared fairly, and priorities hold
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # after a lost connection, too: keep the prefetch limit
        worker_enable_prefetch_count_reduction=False,
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=AMQP_HEARTBEAT_SECONDS,
        # RabbitMQ would hold an exclusive queue for the silent connection, and reject the agent's new one
        control_queue_exclusive=False,
        control_queue_durable=not is_redis(url),
        broker_transport_options=redis_options(url, transport_options)
        if is_redis(url)
        # a sender gets a confirmation for each message, and so detects a silent connection
        else {**transport_options, "confirm_publish": True},
    )
    return app


def redis_options(url: str, options: dict[str, Any]) -> dict[str, Any]:
    """kombu's transport options for a Redis at ``url``, with the ``options`` that belong to the address."""
    timeouts = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    if url.startswith("sentinel"):
        # redis-py's defaults neither limit the wait for a Sentinel nor try the next one at once
        no_retry = Retry(NoBackoff(), 0)
        options = {
            **options,
            "sentinel_kwargs": {**timeouts, "retry": no_retry, **options.get("sentinel_kwargs", {})},
        }
    return {
        **options,
        **timeouts,
        "health_check_interval": CHECK_SECONDS,
        # kombu's acknowledgement on Redis costs two round trips per message and redelivers long-running tasks; the
        # ledger's leases replace it
        "ack_emulation": False,
        "priority_steps": PRIORITY_STEPS,
        "queue_order_strategy": "priority",
        "socket_keepalive": not url.startswith("redis+socket"),
    }


def is_redis(url: str) -> bool:
    """Whether a Celery broker URL names Redis."""
    return url.startswith(("redis", "sentinel"))
