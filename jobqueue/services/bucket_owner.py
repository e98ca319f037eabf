"""To which installation the content of a bucket belongs.

Content is only known by the ledger of the installation that stored it. Another one that uses the same bucket and prefix
would take all of it for left over, and delete it. So the first one stores a marker that names its ledger, and nothing
is stored or deleted unless the marker names the own ledger.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

from jobqueue.errors import BucketTaken
from jobqueue.services.bucket import OWNER, Bucket


def claim(bucket: Bucket, installation: str) -> None:
    """Have the bucket belong to this installation.

    Raises ``BucketTaken`` if it belongs to another one, ``BucketUnavailable``.
    """
    if is_owner(bucket, installation):
        return
    marker = {
        "installation": installation,
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "note": "jobqueue keeps large objects under this prefix; this file says for which installation.",
    }
    bucket.put_new(OWNER, json.dumps(marker, indent=1).encode())
    is_owner(bucket, installation)  # another one may have been first


def is_owner(bucket: Bucket, installation: str) -> bool:
    """Whether the bucket belongs to this installation; False if it belongs to none yet.

    Raises ``BucketTaken`` if it belongs to another one, ``BucketUnavailable``.
    """
    text = bucket.head_of(OWNER)
    if text is None:
        return False
    try:
        marker = json.loads(text)
        owner, since = str(marker["installation"]), str(marker["since"])[:40]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _taken(bucket, "an unknown program") from None
    if owner != installation:
        raise _taken(bucket, f"another installation of jobqueue since {since!r}")
    return True


def _taken(bucket: Bucket, owner: str) -> BucketTaken:
    return BucketTaken(
        f"Content with the prefix {bucket.prefix!r} in the bucket {bucket.title} belongs to {owner}, as {OWNER} there "
        "says. Nothing is stored or deleted there. Give this installation a prefix of its own (JOBQUEUE_S3_PREFIX). If "
        f"the other one is gone, or Redis has lost its data, delete {bucket.prefix}{OWNER} from the bucket."
    )
