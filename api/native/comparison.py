"""What storing a record would change, as requests with ``dry_run`` answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from api.native.fields import about
from api.native.saved_mapping import changes
from jobqueue.model.changes import changes as changes_between


class ComparisonAnswer(ma.Schema):
    """The fields that ``comparison`` returns, for the answer that has them with ``dry_run`` only."""

    change = fields.String(metadata=about("Only with dry_run: created, changed or unchanged."))
    changes = fields.List(
        fields.Dict(), metadata=about("Only with dry_run: the fields that differ, as {field, before, after}.")
    )


def comparison(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """``change`` and ``changes`` from a record as it is declared, None if there is none, to another one."""
    different = changes_between(before or {}, after)
    change = "created" if before is None else "changed" if different else "unchanged"
    return {"change": change, "changes": changes(different)}
