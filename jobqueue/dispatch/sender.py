"""Sends due messages: through the ledger's scripts if broker and ledger are one Redis, else through kombu."""

from __future__ import annotations

from collections.abc import Iterable

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.pools import producers
from redis.exceptions import RedisError, ResponseError

from jobqueue.dispatch.app import ANSWER_SECONDS, is_ledger_broker, is_redis, make_app
from jobqueue.dispatch.envelope import script_template, template
from jobqueue.dispatch.queues import TASK, broker_priority, queue
from jobqueue.dispatch.transport import BrokerRefuses
from jobqueue.errors import LedgerRefuses, LedgerUnavailable
from jobqueue.ledger.due import Due
from jobqueue.ledger.keys import Keys
from jobqueue.settings import Settings

#: Messages per pipeline.
BATCH = 1000


class Sender:
    """Delivers messages to the agents' queues.

    ``template`` goes to the ledger's scripts: with it, record and message are written in one atomic step. It is empty
    if the broker is another server; then ``send`` publishes the executions that the ledger reports as due, and
    maintenance republishes messages that are lost on the way (a crash between the two).
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings.key_prefix)
        app = make_app(settings)
        self._is_redis = is_redis(settings.broker()[0])
        self._template = script_template(template(app))
        self._app: Celery | None = None if is_ledger_broker(settings) else app

    @property
    def template(self) -> str:
        """The message with placeholders, for the ledger's scripts, or '' if this sender publishes."""
        return "" if self._app else self._template

    def send(self, executions: Iterable[Due]) -> None:
        """Publish messages, in one pipeline if the transport supports it; raises ``LedgerUnavailable``."""
        due = list(executions)
        if self._app is None or not due:
            return
        try:
            with (
                producers[self._app.connection_for_write()].acquire(block=True) as producer,
                producer.batch(max_size=BATCH),
            ):
                # kombu's Redis has no confirmations; the command's answer is one
                confirm = {} if self._is_redis else {"confirm_timeout": ANSWER_SECONDS}
                for execution in due:
                    self._app.send_task(
                        TASK,
                        args=[execution.job_id, execution.slot],
                        task_id=f"{execution.job_id}:{execution.slot}:{execution.attempt}",
                        queue=queue(self._keys, execution.slot),
                        priority=self._priority(execution),
                        producer=producer,
                        ignore_result=True,
                        argsrepr=f"({execution.job_id!r}, {execution.slot!r})",
                        kwargsrepr="{}",
                        **confirm,
                    )
        except (OperationalError, BatchPublishError, RedisError, OSError) as error:
            if isinstance(error, ResponseError):
                raise  # a bug of jobqueue
            raise _away(error) from error

    def _priority(self, execution: Due) -> int:
        """The broker's priority: Redis takes the lowest number first; AMQP, like jobqueue, the highest."""
        return broker_priority(execution.priority) if self._is_redis else execution.priority


def _away(error: BaseException) -> LedgerUnavailable:
    """The exception for a broker that is unreachable or refuses messages."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BrokerRefuses):
            return LedgerRefuses(f"The broker refuses messages: {cause}; the message will be sent again later.")
        cause = cause.__cause__ or cause.__context__
    return LedgerUnavailable(f"The broker cannot be reached: {error}")
