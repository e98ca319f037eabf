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
    given = dict(posted.form())
    name, content_type = given.get("name", "").strip(), given.get("content_type", RAW)
    audit.note(object=name)
    try:
        if content_type not in CONTENT_TYPES:
            raise InvalidInput.of("content_type", f"Must be one of {', '.join(CONTENT_TYPES)}.")
        # browsers send every line break of a text field as two characters
        text = given.get("text", "").replace("\r\n", "\n")
        uploaded = services().objects.put(Upload(name, content_type), [text.encode()], principal())
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (500, 503) or not principal().may("file:read"):
            raise
        return _list_page(given, error.message, status)
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


def _go(path: str, done: str) -> Response:
    place = f"{PREFIX}/files{path}?done={done}" if principal().may("file:read") else "/"
    return flask.make_response(flask.redirect(pages.link(place), _SEE_OTHER))


def _list_page(given: dict[str, str], problem: str = "", status: int = 200) -> Response:
    wanted, behind = query.text("q", MAX_OBJECT_NAME), query.text("after", MAX_OBJECT_NAME)
    if wanted:
        every, total, following = services().objects.page("", MOST_OBJECTS)
        found = [one for one in every if wanted.casefold() in one.name.casefold()]
    else:
        found, total, following = services().objects.page(behind, _PAGE)
    stale, more = services().objects.stale("", _STALE)
    return pages.render(
        "files.html",
        status,
        files=found,
        total=total,
        q=wanted,
        stale=stale,
        has_more_stale=more is not None,
        given={"name": "", "content_type": RAW, "text": "", **given},
        content_types=CONTENT_TYPES,
        problem=problem,
        done=_DONE.get(query.text("done"), ""),
        newer=query.with_changes(after=None, done=None) if behind else "",
        older=query.with_changes(after=following, done=None) if following and not wanted else "",
    )


def _page(found: StoredObject, problem: str = "", status: int = 200) -> Response:
    number = query.text("version", 10)
    is_number = number.isascii() and number.isdecimal() and int(number) < _LARGEST_VERSION
    version = (found.version(int(number)) if is_number else None) or found.current
    text, reason = _preview(found.name, version)
    return pages.render(
        "file.html",
        status,
        file=found,
        shown=version,
        text=text,
        reason=reason,
        uses=services().objects.uses(check_object_name(found.name)),
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
