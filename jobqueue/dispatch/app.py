"""The Celery application that both sides share: how messages look and how workers read them."""

from __future__ import annotations

from celery import Celery

from jobqueue.dispatch.queues import PRIORITY_STEPS
from jobqueue.settings import Settings


def is_ledger_broker(settings: Settings) -> bool:
    """Whether messages go into the ledger's own Redis, so that its scripts can publish them."""
    return settings.broker_url == settings.redis_url


def make_app(settings: Settings) -> Celery:
    """A Celery app for one deployment. It keeps no results: the ledger does."""
    url, transport_options = settings.broker()
    app = Celery("jobqueue", broker=url, set_as_current=False)
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
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            **transport_options,
            # kombu's acknowledgement on Redis costs two round trips a message and redelivers what merely runs long;
            # the ledger's leases do that work
            "ack_emulation": False,
            "priority_steps": PRIORITY_STEPS,
            "queue_order_strategy": "priority",
            "socket_keepalive": not url.startswith("redis+socket"),
        }
        if is_redis(url)
        else transport_options,
    )
    return app


def is_redis(url: str) -> bool:
    """Whether a Celery broker URL names Redis."""
    return url.startswith(("redis", "sentinel"))
