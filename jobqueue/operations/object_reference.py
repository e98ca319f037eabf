"""References to objects in an operation's data, and their content on the agent."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from jobqueue.errors import InvalidInput, OperationFailed
from jobqueue.model.stored_object import CONTENT_TYPES, MAX_OBJECT_NAME, NAME_RULE, OBJECT_NAME, TEMPLATE
from jobqueue.operations.base import PinPackages
from jobqueue.operations.context import Context
from jobqueue.operations.schema import Match, Schema, Text, Whole, shape
from jobqueue.operations.template_rendering import rendered

_READ = "file:read"
_LARGEST_VERSION = 2**31
#: Set by the API; a caller's own would name content that it need not be allowed to read.
_SOURCE = "source"

#: The content of a file: bytes in memory, or those of a file that is open while they are used.
Buffer = bytes | mmap.mmap


class SourceSchema(Schema):
    """A version of an object as the API has resolved it."""

    version = Whole(required=True, validate=validate.Range(1, _LARGEST_VERSION))
    sha256 = Text(required=True, **shape(r"[0-9a-f]{64}", "Must be 64 hex digits."))
    content_type = Text(required=True, validate=validate.OneOf(CONTENT_TYPES))
    package = Text(required=True, validate=validate.Length(1, MAX_OBJECT_NAME))


def _object_name(*, required: bool) -> Text:
    return Text(
        required=required,
        validate=Match(OBJECT_NAME, NAME_RULE),
        metadata={"pattern": f"^(?:{OBJECT_NAME})$", "description": "The object to use (`jobqueue file list`)."},
    )


#: Of a secret or a fact in place of a value that the API reads.
_FIXED = "Must be given as it is: secrets and facts are known on the host only, and the API needs it before."


class ObjectSchema(Schema):
    """The fields of data that may refer to an object."""

    object = _object_name(required=False)
    version = Whole(
        validate=validate.Range(1, _LARGEST_VERSION),
        metadata={"description": "The version of the object; default: the newest one when the job is submitted."},
    )
    content_type = Text(
        validate=validate.OneOf(CONTENT_TYPES),
        metadata={"description": "raw or template; default: that of the object, and raw for content."},
    )
    vars = fields.Dict(
        keys=Text(), metadata={"description": "Variables of a template, besides facts, labels and hostname."}
    )
    source = fields.Nested(SourceSchema, metadata={"description": "The resolved object. Set by the API."})

    @validates_schema
    def _whole_reference(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "object" not in data:
            for name in ("version", _SOURCE):
                if name in data:
                    raise ValidationError("Only with an object.", name)


class RequiredObjectSchema(ObjectSchema):
    """The fields of data that refers to an object."""

    object = _object_name(required=True)


@dataclass(frozen=True)
class Content:
    """The content for a file. ``object`` and ``source`` say where it is from, if it is from an object."""

    data: Buffer
    object: str = ""
    source: Mapping[str, Any] | None = None


def with_source(data: dict[str, Any], pin: PinPackages) -> dict[str, Any]:
    """The data with the version of the object that it names, as ``Operation.prepare``. Raises ``InvalidInput``."""
    name = data.get("object")
    if name is None:
        if _SOURCE in data:
            raise InvalidInput.of(_SOURCE, "Set by the API; give object instead.")
        return data
    version = data.get("version")
    if not isinstance(name, str):
        raise InvalidInput.of("object", _FIXED)
    if version is not None and not isinstance(version, int):
        raise InvalidInput.of("version", _FIXED)
    source = pin.object(name, version)
    return {**data, "version": source["version"], _SOURCE: source}


def object_permissions(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The permission to read objects, for data that names one."""
    return (_READ,) if "object" in data else ()


@contextmanager
def object_content(data: Mapping[str, Any], context: Context) -> Iterator[Content]:
    """The content of the object that ``data`` names, rendered if it is a template.

    Raises ``OperationFailed`` if it cannot be fetched, has another digest, or cannot be rendered.
    """
    source = data.get(_SOURCE)
    if source is None:
        raise OperationFailed("The job does not say which version of the object it uses; submit it again.")
    if context.packages is None:
        raise OperationFailed(
            "Objects can be used by the agent's own user only; this host's policy runs the operation as another one."
        )
    with (
        context.packages.open(source["package"], source["sha256"], context.check) as path,
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        content: Buffer = rendered(bytes(mapped), data, context) if is_template(data) else mapped
        yield Content(content, str(data["object"]), source)


def is_template(data: Mapping[str, Any]) -> bool:
    """Whether the data's content is to be rendered."""
    source = data.get(_SOURCE)
    default = source["content_type"] if source else ""
    return bool(data.get("content_type", default) == TEMPLATE)
