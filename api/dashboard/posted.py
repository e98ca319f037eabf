"""The form that a request has sent, read once, and no more of it than the page has fields for."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from flask import g, request

from api import body_timeout
from api.body import read_all
from api.errors import UnsupportedMedia
from jobqueue.errors import InvalidInput

FORM_TYPE = "application/x-www-form-urlencoded"
#: Bytes and fields of a form. Most have a button and a few hidden fields; signing in has five.
MOST_BYTES, MOST_FIELDS = 16 * 1024, 20
#: Those of the form for a job, which has a field for each of the operation's; larger data is the API's.
MOST_JOB_BYTES, MOST_JOB_FIELDS = 1024 * 1024, 200
_JOB = frozenset({"dashboard.submit", "dashboard.run_saved", "dashboard.save_schedule", "dashboard.store_file"})
#: Those of a selection have a field for each agent of a page of the list.
_SELECTION = frozenset({"dashboard.choose_agents", "dashboard.move_agents"})


def form() -> Mapping[str, str]:
    """The fields of this request's form; of a name that comes twice, the first.

    Raises ``InvalidInput``, ``UnsupportedMedia`` (415), or werkzeug's ``RequestEntityTooLarge`` (413).
    """
    fields: Mapping[str, str] | None = g.get("form")
    if fields is None:
        fields = g.form = _read()
    return fields


def line(name: str, longest: int) -> str:
    """A field of this request's form in one line of at most ``longest`` characters; empty without it.

    Raises as ``form``.
    """
    return " ".join(form().get(name, "").split())[:longest]


def _read() -> dict[str, str]:
    most, fields = (
        (MOST_JOB_BYTES, MOST_JOB_FIELDS) if request.endpoint in _JOB | _SELECTION else (MOST_BYTES, MOST_FIELDS)
    )
    request.max_content_length = most
    if request.mimetype != FORM_TYPE:
        if not request.content_length and "CONTENT_TYPE" not in request.environ:
            return {}  # a button pressed by a program
        raise UnsupportedMedia(f"A form is sent as {FORM_TYPE}.")
    with body_timeout.bounded("The form"):
        raw = read_all()
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="replace", max_num_fields=fields)
    except UnicodeDecodeError as error:
        raise InvalidInput("The form is not in UTF-8.") from error
    except ValueError as error:  # too many
        raise InvalidInput(f"The form has more than {fields} fields.") from error
    form: dict[str, str] = {}
    for name, value in pairs:
        form.setdefault(name, value)
    return form
