"""When schedules fire: cron expressions, intervals, single times and recurrence rules. ``docs/schedules.md`` describes
them.

Only the API computes times: agents and the command line do not import this package, whose cron parser is part of the
extra ``api``. Times are microseconds since the epoch.
"""
