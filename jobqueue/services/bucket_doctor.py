"""Content that is known on one side only: in the bucket, or in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from jobqueue.errors import BucketUnavailable
from jobqueue.ledger.doctor import Damage
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.stored_object import is_content_name, is_content_of
from jobqueue.services.bucket import Bucket
from jobqueue.services.bucket_owner import is_owner

#: Seconds after which content that the ledger does not know is left over: younger content may be of an upload.
_LEFT_OVER_SECONDS = 86_400.0


def bucket_damage(
    ledger: Ledger, bucket: Bucket, *, repairs: bool, after_seconds: float = _LEFT_OVER_SECONDS
) -> Iterator[Damage]:
    """All damage, as it is found; with ``repairs``, content that the ledger does not know is deleted by the API soon.

    Raises ``LedgerUnavailable``, ``BucketUnavailable``, and ``BucketTaken`` if the bucket belongs to another
    installation; a bucket that belongs to none yet is not repaired.
    """
    if not is_owner(bucket, ledger.bucket_contents.installation()) and repairs:
        raise BucketUnavailable(
            f"The bucket {bucket.title} does not yet say to which installation it belongs, so nothing is deleted "
            "there: start the API with this Redis and this bucket first."
        )
    before = datetime.now(timezone.utc) - timedelta(seconds=after_seconds)
    for entry in bucket.entries():
        if entry.stored_at > before or ledger.bucket_contents.is_known(entry.name):
            continue
        text = f"is in the bucket with {entry.size} bytes, and the ledger does not know it"
        if not is_content_name(entry.name):
            yield Damage("content", entry.name, f"{text}; another program has stored it, so it is never deleted", False)
            continue
        if repairs:
            ledger.bucket_contents.discard(entry.name)
        yield Damage("content", entry.name, text, repairs)
    names = ledger.objects.names()
    for package in ledger.bucket_contents.stored():
        if not bucket.exists(package):
            name = next((name for name in names if is_content_of(name, package)), None)
            of = "an object that was deleted" if name is None else f"the object {name!r}: upload it again"
            yield Damage("content", ledger.keys.kind("package") + package, f"is missing in the bucket, content of {of}")
