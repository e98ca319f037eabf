"""Celery's consumer inside an agent: neither a message nor a broker that refuses for a while can end it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from jobqueue.dispatch.message_parser import ForeignMessage, MessageParser
from jobqueue.dispatch.transport import MESSAGE_FILTER, BrokerRefuses
from workers.agent.consumer.rejected_messages import RejectedMessages

logger = logging.getLogger(__name__)

#: Seconds until a broker that answers and refuses is asked again; Celery pauses only where it cannot connect.
REFUSED_SECONDS = 1.0


class MessageFilter:
    """Looks at what came out of the agent's queues, and tells of what is not ours."""

    def __init__(self, incoming: MessageParser, strangers: RejectedMessages) -> None:
        self._incoming = incoming
        self._strangers = strangers

    def __call__(self, queue: str, raw: bytes) -> bytes | None:
        """A message from a Redis queue made anew; None if it is not ours."""
        try:
            return self._incoming.anew(queue, raw)
        except ForeignMessage as why:
            self._strangers.note(queue, str(why), raw)
            return None

    def passes(self, message: Any) -> bool:
        """Whether a message that a broker's own protocol brought is ours."""
        queue = _queue(message)
        try:
            # a Message keeps its content as bytes, as text, or as a view of bytes
            body = message.body if isinstance(message.body, str) else bytes(message.body)
            self._incoming.task(queue, message.headers, message.content_type, message.content_encoding, body)
        except (ForeignMessage, TypeError, ValueError) as why:
            self._strangers.note(queue, str(why), repr(message.headers))
            return False
        return True

    def failed(self, message: Any, error: Exception) -> None:
        """Celery could not take up a message."""
        self._strangers.note(_queue(message), f"Celery could not take it up ({error!r})", repr(message.headers))


class AgentConsumer(Consumer):  # type: ignore[misc]
    """Drops what is not ours, and what Celery itself stumbles over."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Called by Celery's loop for what it does with each message."""
        handle = super().create_task_handler(*args, **options)
        message_filter: MessageFilter = self.controller.message_filter
        is_made_anew = MESSAGE_FILTER in self.connection.transport_options

        def on_message(message: Any) -> Any:
            if not is_made_anew and not message_filter.passes(message):
                self._drop(message)
                return None
            try:
                return handle(message)
            except MemoryError:
                raise
            except Exception as error:
                # for kombu's Redis a KeyError is an error of the connection, too
                if isinstance(error, self.connection_errors) and not isinstance(error, KeyError):
                    raise
                logger.exception("Celery could not take up a message")
                message_filter.failed(message, error)
                self._drop(message)
                return None

        return on_message

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Called by Celery before it connects anew."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, BrokerRefuses):
            time.sleep(REFUSED_SECONDS)

    def _drop(self, message: Any) -> None:
        """It must not come again, from a broker that waits for an answer."""
        if not message.acknowledged:
            self.call_soon(message.reject_log_error, logger, self.connection_errors)


def _queue(message: Any) -> str:
    """The queue that a message came from: on the default exchange its routing key."""
    info = message.delivery_info
    return str(info.get("routing_key", "")) if isinstance(info, dict) else ""
