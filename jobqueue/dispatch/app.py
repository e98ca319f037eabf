"""The Celery application that both sides share: how messages look and how workers read them."""

from __future__ import annotations

from typing import Any

from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobqueue.dispatch.connection import Amqp
from jobqueue.dispatch.queues import PRIORITY_STEPS
from jobqueue.settings import Settings

#: Seconds between two looks at the connection on which an agent waits for messages. A waiting Redis answers every
#: second; one that has been silent for this long and a second more is left and connected to anew. So an agent on a
#: connection that went silent is back within twice this time, about.
CHECK_SECONDS = 4
#: Seconds until a connection attempt, or an answer, counts as failed. Without them an agent waits for ever on a
#: connection that was cut without a word, and does not even end when it is asked to.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
#: The same for a RabbitMQ: either side gives a connection up that was silent for this long.
AMQP_HEARTBEAT_SECONDS = 6


def is_ledger_broker(settings: Settings) -> bool:
    """Whether messages go into the ledger's own Redis, so that its scripts can publish them."""
    return settings.broker_url == settings.redis_url


def make_app(settings: Settings) -> Celery:
    """A Celery app for one deployment. It keeps no results: the ledger does."""
    url, transport_options = settings.broker()
    app = Celery("jobqueue", broker=url, amqp=Amqp, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # where a broker acknowledges, a message is done when the ledger holds the result
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_create_missing_queues=False,
        # an agent fetches a message only when it can run it: `_any` is shared fairly, priorities hold
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # after a lost connection, too: as many at a time as before
        worker_enable_prefetch_count_reduction=False,
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=AMQP_HEARTBEAT_SECONDS,
        # RabbitMQ would hold an exclusive queue for the connection that went silent, and refuse the agent's new one
        control_queue_exclusive=False,
        control_queue_durable=not is_redis(url),
        broker_transport_options=redis_options(url, transport_options)
        if is_redis(url)
        # a sender is told that its message has arrived, and so notices a connection that went silent
        else {**transport_options, "confirm_publish": True},
    )
    return app


def redis_options(url: str, options: dict[str, Any]) -> dict[str, Any]:
    """kombu's transport options for a Redis at ``url``, with the ``options`` that belong to the address."""
    timeouts = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    if url.startswith("sentinel"):
        # by itself redis-py would neither limit how long it waits for a Sentinel nor ask the next one at once
        no_retry = Retry(NoBackoff(), 0)
        options = {
            **options,
            "sentinel_kwargs": {**timeouts, "retry": no_retry, **options.get("sentinel_kwargs", {})},
        }
    return {
        **options,
        **timeouts,
        "health_check_interval": CHECK_SECONDS,
        # kombu's acknowledgement on Redis costs two round trips a message and redelivers what merely runs long;
        # the ledger's leases do that work
        "ack_emulation": False,
        "priority_steps": PRIORITY_STEPS,
        "queue_order_strategy": "priority",
        "socket_keepalive": not url.startswith("redis+socket"),
    }


def is_redis(url: str) -> bool:
    """Whether a Celery broker URL names Redis."""
    return url.startswith(("redis", "sentinel"))
