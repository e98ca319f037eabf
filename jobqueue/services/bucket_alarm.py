"""Counts failures of the bucket, and raises an alert for them."""

from __future__ import annotations

import logging

from jobqueue.errors import BucketUnavailable, JobQueueError
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import BUCKET_FAILURES

logger = logging.getLogger(__name__)


class BucketAlarm:
    """Reports the failures of all API processes: one alert in an hour, however many there are."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def report(self, error: BucketUnavailable) -> None:
        """Count a failure, and raise the alert unless the last one is recent."""
        try:
            if self._ledger.bucket_contents.failed():
                self._ledger.executions.alert(BUCKET_FAILURES, "", "", error.message)
        except JobQueueError as failure:
            logger.info("A failure of the bucket could not be counted: %s", failure)
