"""Bundles: one file with all that a new host needs to join, signed by the API.

The signature proves that the file is complete and unaltered. It does not prove that the API is the right one, because
the host knows no key yet: the person who carries the file vouches for it, or compares its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jobqueue.errors import InvalidInput, SealBroken
from jobqueue.model.target import check_hostname, check_label
from jobqueue.redis_url import RedisUrl
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.sealed import seal, unseal
from jobqueue.trust.signing.signer import Signer

_PURPOSE = b"bundle"
#: Member that names the format, and its version.
_FORMAT = "jobqueue_bundle"
_VERSION = 1
#: Bytes of the largest bundle that is read.
LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """What a new agent gets.

    ``expires`` is in seconds since the epoch. ``redis_url`` holds the name and password of the agent's own Redis user.
    ``redis_ca`` is the certificate (PEM) of the authority that issued Redis' certificate; empty for one that the system
    trusts. ``allow`` are the operations that the agent is to allow on its host.
    """

    hostname: str
    expires: int
    redis_url: str = field(repr=False)
    key_prefix: str
    trusted_keys: str
    join_token: str = field(repr=False)
    allow: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    redis_ca: str = ""

    def text(self, signer: Signer) -> str:
        """The file's content: one line of JSON whose last member is the signature."""
        return seal(signer, _PURPOSE, {_FORMAT: _VERSION, **asdict(self)}) + "\n"

    @property
    def invitation(self) -> str:
        """The number of the invitation, which is valid once."""
        return self.join_token.split(":")[1]

    @classmethod
    def parse(cls, text: str) -> Bundle:
        """The bundle in a file. Raises ``InvalidInput`` for an altered one, or for any other text."""
        text = text.strip()
        document = _document(text)
        try:
            keys = pem.parse_public_keys(document["trusted_keys"].encode("ascii"), "the bundle")
            unseal(text, keys, _PURPOSE)
            return cls._of(document)
        except SealBroken as error:
            raise InvalidInput(
                f"The bundle is not as the API made it: {error.message}. Transfer it again, or make a new one."
            ) from error
        except (InvalidInput, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InvalidInput(
                f"The bundle is damaged ({_reason(error)}). Transfer it again, or make a new one."
            ) from error

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> Bundle:
        values = {name: document[name] for name in cls.__dataclass_fields__}
        bundle = cls(**{**values, "allow": tuple(map(str, values["allow"])), "labels": dict(values["labels"])})
        check_hostname(bundle.hostname)
        for key, value in bundle.labels.items():
            check_label(key, value)
        RedisUrl.parse(bundle.redis_url)
        bundle.join_token.split(":")[1]
        int(bundle.expires)
        return bundle


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or _FORMAT not in document:
        raise InvalidInput("This file is not a join bundle (`jobqueue agent bundle`), or it is truncated.")
    if document[_FORMAT] != _VERSION:
        raise InvalidInput(
            f"The bundle has format {str(document[_FORMAT])[:20]!r}; this version of jobqueue reads format {_VERSION}. "
            "Install the version that the API has."
        )
    return document


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its member {error.args[0]!r} is missing"
    return str(error) or type(error).__name__
