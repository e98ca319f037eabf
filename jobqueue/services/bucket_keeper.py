"""The API's background work for the bucket: addresses for agents, and the deletion of content that is no longer used.

Every API process does it. Only the API has credentials for the bucket; agents get addresses of single contents, which
are valid for a short time, and which the API's key signs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from jobqueue.errors import BucketUnavailable, JobQueueError
from jobqueue.ledger.bucket_contents import BucketContents
from jobqueue.ledger.packages import Packages
from jobqueue.model.stored_object import is_content_name
from jobqueue.services.bucket import Bucket
from jobqueue.services.bucket_alarm import BucketAlarm
from jobqueue.services.bucket_owner import claim
from jobqueue.trust.signing.content_address import sealed_address
from jobqueue.trust.signing.signer import Signer

logger = logging.getLogger(__name__)

#: Names that are processed in one turn.
_BATCH = 100
#: Seconds between two looks for content to delete.
_DELETE_SECONDS = 30.0


class BucketKeeper:
    """Answers the agents of one ledger, and deletes content."""

    every_seconds = 0.5

    def __init__(
        self,
        contents: BucketContents,
        packages: Packages,
        bucket: Bucket,
        alarm: BucketAlarm,
        signer: Signer,
        address_seconds: int,
    ) -> None:
        self._contents = contents
        self._packages = packages
        self._bucket = bucket
        self._alarm = alarm
        self._signer = signer
        self._address_seconds = address_seconds
        self._deleted_at = float("-inf")

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        failure = ""
        while not pause(self.every_seconds):
            try:
                self.turn()
                failure = ""
            except JobQueueError as error:
                if error.message != failure:
                    logger.warning("The bucket is not kept in order at present: %s", error)
                failure = error.message
                if isinstance(error, BucketUnavailable):
                    self._alarm.report(error)
            except Exception:  # without this thread, agents would get no content
                logger.exception("The bucket is not kept in order at present")

    def turn(self) -> None:
        """Answer the agents that have asked; now and then, delete content. Raises ``JobQueueError``."""
        for name in self._contents.asked(_BATCH):
            self._answer(name)
        if time.monotonic() - self._deleted_at >= _DELETE_SECONDS:
            self._deleted_at = time.monotonic()
            self.delete()

    def delete(self) -> None:
        """Delete the content that is due; claims the bucket. Raises ``BucketUnavailable``: the rest stays due."""
        installation = self._contents.installation()
        claim(self._bucket, installation)
        while names := self._contents.due(_BATCH):
            claim(self._bucket, installation)
            self._bucket.delete(names)
            self._contents.deleted(names)

    def _answer(self, name: str) -> None:
        """Give the address of content; anything else that agents may have asked for is ignored."""
        package = self._packages.pin([name]).get(name) if is_content_name(name) else None
        if package is None or not package.is_in_bucket or not self._packages.is_ours(package):
            return
        address = self._bucket.address(name, self._address_seconds)
        # an agent that reads it later has at least half of the time left
        self._contents.give(name, sealed_address(self._signer, name, address), self._address_seconds // 2)
