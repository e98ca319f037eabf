"""The shapes of /agent/bundle."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.access_schemas import Names
from api.native.fields import Text, Whole, about
from api.validation import StrictSchema
from jobqueue.services.enrolment import LONGEST_INVITATION

_MOST = 64


class BundleRequest(StrictSchema):
    """The host that is to join."""

    hostname = Text(
        required=True, validate=validate.Length(1, 253), metadata=about("The agent's hostname; no other may use it.")
    )
    seconds = Whole(
        load_default=3600,
        validate=validate.Range(1, LONGEST_INVITATION),
        metadata=about("How long the bundle is valid."),
    )
    allow = Names(
        load_default=lambda: ["read-only"],
        validate=validate.Length(1, _MOST),
        metadata=about("The operations that the host is to allow: names, patterns, or read-only."),
    )
    labels = fields.Dict(
        keys=Text(validate=validate.Length(1, 100)),
        values=Text(validate=validate.Length(1, 200)),
        load_default=dict,
        validate=validate.Length(0, _MOST),
        metadata=about("The agent's labels."),
    )
    redis_url = Text(
        load_default=None,
        validate=validate.Length(1, 4096),
        metadata=about(
            "The agent's address of Redis, with the credentials of its own user. Default: a user is created, and the "
            "address is that of the API's settings."
        ),
    )
    replace = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata=about("Make a bundle even if an agent with this hostname has joined; its Redis user is replaced."),
    )


class BundleAnswer(ma.Schema):
    """A bundle. It is shown only here."""

    bundle = fields.String(required=True, metadata=about("The content of the file for `jobqueue agent join`."))
    hostname = fields.String(required=True)
    expires_at = fields.DateTime(required=True)
    sha256 = fields.String(required=True, metadata=about("Digest of the file, to compare on the host."))
    redis_user = fields.String(
        required=True, allow_none=True, metadata=about("The Redis user that was created; null if none was.")
    )
    redis_user_kept = fields.Boolean(
        required=True,
        metadata=about("Whether that user outlives a restart of Redis, which needs its setting aclfile."),
    )
