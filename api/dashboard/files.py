"""Objects: the list, one of them with its versions, and storing and deleting them."""

from __future__ import annotations

import flask
from flask import Response

from api import audit, errors
from api.context import principal, services
from api.dashboard import pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.model.stored_object import (
    CONTENT_TYPES,
    MAX_OBJECT_NAME,
    MOST_OBJECTS,
    RAW,
    ObjectVersion,
    StoredObject,
    check_object_name,
)
from jobqueue.services.objects import Upload

_PAGE = 50
_STALE = 50
#: Longer content is not shown; it can be downloaded.
_PREVIEW_BYTES = 64 * 1024
_SEE_OTHER = 303
_LARGEST_VERSION = 2**31
_DONE = {
    "deleted": "The object was deleted. Deployed files stay on their hosts.",
    "stored": "The version was stored.",
    "unchanged": "The newest version has this content already.",
}


@blueprint.get(f"{PREFIX}/files")
def files() -> Response:
    """The objects by name, or those whose names hold a text, and deployments of older versions."""
    return _list_page({})


@blueprint.post(f"{PREFIX}/files")
def store_file() -> Response:
    """Store the text of the form as the newest version of an object."""
    form = dict(posted.form())
    name, content_type = form.get("name", "").strip(), form.get("content_type", RAW)
    audit.note(object=name)
    try:
        if content_type not in CONTENT_TYPES:
            raise InvalidInput.of("content_type", f"Must be one of {', '.join(CONTENT_TYPES)}.")
        # browsers send every line break of a text field as two characters
        text = form.get("text", "").replace("\r\n", "\n")
        uploaded = services().objects.put(Upload(name, content_type), [text.encode()], principal())
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (500, 503) or not principal().may("file:read"):
            raise
        return _list_page(form, error.message, status)
    return _go(f"/{name}", "stored" if uploaded.changed else "unchanged")


@blueprint.get(f"{PREFIX}/files/<name>")
def file(name: str) -> Response:
    """One object with its versions, and the content of one of them."""
    return _page(services().objects.get(name))


@blueprint.post(f"{PREFIX}/files/<name>/delete")
def delete_file(name: str) -> Response:
    """Delete it; one that is deployed only if the form says so."""
    audit.note(object=name)
    try:
        services().objects.remove(name, force=posted.form().get("force") == "true")
    except JobQueueError as error:
        status = errors.status_of(error)
        if status != 409 or not principal().may("file:read"):
            raise
        return _page(services().objects.get(name), error.message, status)
    return _go("", "deleted")


def _go(name: str, done: str) -> Response:
    path = f"{PREFIX}/files{name}?done={done}" if principal().may("file:read") else "/"
    return flask.make_response(flask.redirect(pages.link(path), _SEE_OTHER))


def _list_page(form: dict[str, str], problem: str = "", status: int = 200) -> Response:
    search, after = query.text("q", MAX_OBJECT_NAME), query.text("after", MAX_OBJECT_NAME)
    if search:
        everything, total, following = services().objects.page("", MOST_OBJECTS)
        shown = [item for item in everything if search.casefold() in item.name.casefold()]
    else:
        shown, total, following = services().objects.page(after, _PAGE)
    stale, more = services().objects.stale("", _STALE)
    return pages.render(
        "files.html",
        status,
        files=shown,
        total=total,
        q=search,
        stale=stale,
        has_more_stale=more is not None,
        given={"name": "", "content_type": RAW, "text": "", **form},
        content_types=CONTENT_TYPES,
        problem=problem,
        done=_DONE.get(query.text("done"), ""),
        newer=query.with_changes(after=None, done=None) if after else "",
        older=query.with_changes(after=following, done=None) if following and not search else "",
    )


def _page(stored: StoredObject, problem: str = "", status: int = 200) -> Response:
    number = query.text("version", 10)
    is_number = number.isascii() and number.isdecimal() and int(number) < _LARGEST_VERSION
    version = (stored.version(int(number)) if is_number else None) or stored.current
    text, reason = _preview(stored.name, version)
    return pages.render(
        "file.html",
        status,
        file=stored,
        shown=version,
        text=text,
        reason=reason,
        uses=services().objects.uses(check_object_name(stored.name)),
        problem=problem,
        done=_DONE.get(query.text("done"), ""),
    )


def _preview(name: str, version: ObjectVersion) -> tuple[str, str]:
    """The content of a version as text, and why it is not shown."""
    if version.size > _PREVIEW_BYTES:
        return "", f"The content is longer than {_PREVIEW_BYTES // 1024} KiB; download it."
    try:
        text = b"".join(services().objects.read(name, version.number)[1]).decode()
    except UnicodeDecodeError:
        return "", "The content is not text; download it."
    except JobQueueError as error:
        return "", error.message
    return ("", "The content is not text; download it.") if "\0" in text else (text, "")
