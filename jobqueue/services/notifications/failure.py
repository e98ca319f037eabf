"""Why a notification was not delivered."""

from __future__ import annotations

from jobqueue.errors import JobQueueError


class DeliveryFailed(JobQueueError):
    """A message was not delivered. Its text contains neither secrets nor addresses with secrets.

    ``is_gone``: the receiver accepts no more messages. ``retry_after``: seconds after which it asks for the next
    attempt.
    """

    code = "delivery_failed"

    def __init__(self, message: str, *, is_gone: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.is_gone = is_gone
        self.retry_after = retry_after
