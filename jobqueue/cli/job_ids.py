"""The jobs that a person means: a whole id, the beginning of one, or the name that the caller gave the job."""

from __future__ import annotations

import re

from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import InvalidInput, JobNotFound
from jobqueue.model.filter import MAX_LIMIT

#: Fewer characters are not taken for the beginning of an id.
SHORTEST = 4
#: Jobs that are looked through, the newest.
MOST_JOBS = 1000
_CANDIDATES = 10
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def job_id_of(client: Client, word: str) -> str:
    """The id of the job that ``word`` means. Only a whole id is not looked for.

    Raises ``JobNotFound``, and ``InvalidInput`` with the candidates where several jobs' ids begin so.
    """
    start = word.lower()
    if _ID.fullmatch(start):
        return start
    matches, looked_at, total = [], 0, 0
    for page in client.iter_pages(limit=MAX_LIMIT, view="summary"):
        total = page["total_items"]
        for job in page["items"]:
            looked_at += 1
            if job.get("alias") == word:
                return str(job["id"])
            if len(start) >= SHORTEST and job["id"].startswith(start):
                matches.append(str(job["id"]))
        if looked_at >= MOST_JOBS:
            break
    if len(matches) > 1:
        more = f" and {len(matches) - _CANDIDATES} more" if len(matches) > _CANDIDATES else ""
        names = ", ".join(one_line(each) for each in matches[:_CANDIDATES])
        raise InvalidInput(f"The ids of several jobs begin with {word}: {names}{more}. Give more characters.")
    if not matches:
        among = f" among the newest {looked_at}; give the whole id" if total > looked_at else ""
        raise JobNotFound(
            f"No job has the id or the alias {word!r}{among}. At least {SHORTEST} characters of an id are needed; "
            "`jobqueue job list` shows them."
        )
    return matches[0]
