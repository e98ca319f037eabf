"""Times as drivers write them."""

from __future__ import annotations

from typing import cast

from api.native.fields import Moment

_moment = Moment()


def micros(text: object) -> int:
    """Microseconds since the epoch; raises marshmallow's ``ValidationError`` unless it is a time in ISO 8601."""
    return cast("int", _moment.deserialize(text))
