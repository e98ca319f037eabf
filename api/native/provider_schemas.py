"""The shape of /auth/provider."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import about


class ProviderAnswer(ma.Schema):
    """An OpenID Connect provider, and the public client under which `jobqueue login` signs in by it."""

    issuer = fields.String(
        required=True, allow_none=True, metadata=about("Its discovery document says where its endpoints are.")
    )
    client_id = fields.String(required=True, allow_none=True)
    scopes = fields.List(fields.String(), required=True, metadata=about("The scopes to ask for."))
