"""Whether this server process is about to end: open streams then end, too, and their readers come back elsewhere."""

from __future__ import annotations

from jobqueue.flag import Flag

#: Set on SIGTERM.
closing = Flag()
