"""Whether this server process is about to end: open streams then end, too, and their readers come back elsewhere."""

from __future__ import annotations

from jobqueue.signal_safe_event import SignalSafeEvent

#: Set on SIGTERM.
closing = SignalSafeEvent()
