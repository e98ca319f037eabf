"""Numbers of the model that the ledger's scripts contain.

They are apart from the classes that they belong to, because every agent assembles scripts, and holds in memory what it
imports for that.
"""

from __future__ import annotations

#: Upper bounds, in seconds, of the buckets for wait and run times; one more bucket holds longer times. Do not change
#: it: stored counts would stay in their old buckets.
BUCKETS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
#: Results that a schedule keeps.
KEPT_RESULTS = 30
#: Events that the ledger keeps at least, until all notification rules have passed them.
KEPT_NOTICES = 100_000
