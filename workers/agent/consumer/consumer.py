"""The agent's Celery consumer; it survives invalid messages and temporary broker errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery.worker.consumer import Consumer

from jobqueue.dispatch.message_parser import ForeignMessage, MessageParser
from jobqueue.dispatch.transport import MESSAGE_FILTER, BrokerRefuses
from jobqueue.jitter import shortened
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.consumer.rejected_messages import RejectedMessages
from workers.agent.spread import reconnect_pause

T = TypeVar("T")
logger = logging.getLogger(__name__)

#: Seconds before retrying a broker that returns errors; Celery itself pauses only if it cannot connect.
REFUSED_SECONDS = 1.0


class MessageFilter:
    """Checks messages from the agent's queues and reports those that jobqueue did not send."""

    def __init__(
        self, incoming: MessageParser, rejected: RejectedMessages, dispatcher: Dispatcher | None = None
    ) -> None:
        """``dispatcher`` runs what messages from a Redis queue name; without it, they are passed on to Celery."""
        self._incoming = incoming
        self._rejected = rejected
        self._dispatcher = dispatcher

    def __call__(self, queue: str, messages: list[bytes]) -> bytes | None:
        """Rebuild a message from a Redis queue for Celery; None if jobqueue did not send it, or if it is dispatched."""
        if self._dispatcher is None:
            (raw,) = messages
            return self._checked(queue, raw, self._incoming.anew)
        tasks = [self._checked(queue, raw, self._incoming.parse) for raw in messages]
        self._dispatcher.take([task for task in tasks if task is not None])
        return None

    def room(self) -> int:
        """How many further messages may be read together with one."""
        return 0 if self._dispatcher is None else self._dispatcher.room() - 1

    def readers(self, queue: str) -> int:
        """How many agents read a queue; 0: not known."""
        return 0 if self._dispatcher is None else self._dispatcher.readers(self._incoming.slot_of(queue))

    def _checked(self, queue: str, raw: bytes, read: Callable[[str, bytes], T]) -> T | None:
        try:
            return read(queue, raw)
        except ForeignMessage as why:
            self._rejected.note(queue, str(why), raw)
            return None

    def passes(self, message: Any) -> bool:
        """Whether jobqueue sent this message, received through another broker's protocol."""
        queue = _queue(message)
        try:
            # a Message keeps its content as bytes, as text, or as a view of bytes
            body = message.body if isinstance(message.body, str) else bytes(message.body)
            self._incoming.task(queue, message.headers, message.content_type, message.content_encoding, body)
        except (ForeignMessage, TypeError, ValueError) as why:
            self._rejected.note(queue, str(why), repr(message.headers))
            return False
        return True

    def failed(self, message: Any, error: Exception) -> None:
        """Celery could not process a message."""
        self._rejected.note(_queue(message), f"Celery could not process it ({error!r})", repr(message.headers))


class AgentConsumer(Consumer):  # type: ignore[misc]
    """Drops foreign messages and messages that Celery cannot process."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Called by Celery's loop to get its message handler."""
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
                # kombu's Redis transport also treats a KeyError as a connection error
                if isinstance(error, self.connection_errors) and not isinstance(error, KeyError):
                    raise
                logger.exception("Celery could not process a message")
                message_filter.failed(message, error)
                self._drop(message)
                return None

        return on_message

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Called by Celery before it reconnects."""
        super().on_connection_error_after_connected(exc)
        pause = reconnect_pause(self.controller.fleet_size())
        time.sleep(pause + shortened(REFUSED_SECONDS) if isinstance(exc, BrokerRefuses) else pause)

    def _drop(self, message: Any) -> None:
        """Reject the message, so that a broker with acknowledgements does not redeliver it."""
        if not message.acknowledged:
            self.call_soon(message.reject_log_error, logger, self.connection_errors)


def _queue(message: Any) -> str:
    """The queue that a message came from: on the default exchange its routing key."""
    info = message.delivery_info
    return str(info.get("routing_key", "")) if isinstance(info, dict) else ""
