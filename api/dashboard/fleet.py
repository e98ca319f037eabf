"""All agents, as everybody who has the overview open looks at them: read once for all of them, not once each."""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

from flask import Flask, current_app

from api.context import services
from jobqueue.model.agent import Agent

#: Seconds for which a reading is reused. Agents send a heartbeat every few seconds.
_FRESH_SECONDS = 1.0

_readings: WeakKeyDictionary[Flask, tuple[float, list[Agent]]] = WeakKeyDictionary()
_lock = threading.Lock()


def recent() -> list[Agent]:
    """All agents as they were at most a second ago."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    found = _readings.get(app)
    if found is None or time.monotonic() - found[0] > _FRESH_SECONDS:
        with _lock:  # of many that come at once, one reads
            found = _readings.get(app)
            if found is None or time.monotonic() - found[0] > _FRESH_SECONDS:
                found = _readings[app] = (time.monotonic(), services().agents.all())
    return found[1]
