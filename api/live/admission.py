"""Whether a reader of a stream may still read: a stream may outlive the credentials that it was opened with."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from flask import Request, current_app, request

from api.auth import gate
from api.context import principal
from jobqueue.errors import JobQueueError, LedgerUnavailable

logger = logging.getLogger("jobqueue.api")

#: Seconds between two checks. A revocation takes effect within two seconds (``services/credential_verifier.py``).
LOOK_SECONDS = 2.0
#: The message to the reader of a stream.
OVER = "The credentials of this stream are no longer valid, or no longer allow it; sign in again and reconnect."


class Admission:
    """The admission of the present request, for as long as its stream lasts."""

    def __init__(self) -> None:
        current: Request = request._get_current_object()  # type: ignore[attr-defined]
        self._gate = gate.of(current_app)
        self._environ: Mapping[str, Any] = current.environ
        self._endpoint = current.endpoint or ""
        self._principal = principal()
        self._next = time.monotonic() + LOOK_SECONDS
        self._holds = True

    def holds(self) -> bool:
        """Whether the request would still be authenticated; rechecked periodically, and cheap to call at every step."""
        now = time.monotonic()
        if self._holds and now >= self._next:
            self._next = now + LOOK_SECONDS
            try:
                self._holds = self._gate.admits(self._environ, self._endpoint, self._principal)
            except LedgerUnavailable as error:  # then nothing new comes to read either
                logger.warning("The permissions of stream readers cannot be checked: %s", error)
            except JobQueueError:
                self._holds = False
        return self._holds
