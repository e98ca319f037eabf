"""Bundles: what the API signed can be read, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from nacl.signing import SigningKey

from jobqueue.errors import InvalidInput
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.bundle import Bundle
from jobqueue.trust.signing.signer import Signer

SIGNER = Signer(SigningKey.generate())
BUNDLE = Bundle(
    hostname="web1",
    expires=2_000_000_000,
    redis_url="redis://jobqueue-agent-web1:secret@192.0.2.1:6379/0",
    key_prefix="jobqueue:",
    trusted_keys=pem.public_pem(SIGNER.public_key),
    join_token="jqj:0123:2000000000:web1:abcdef",
    allow=("read-only", "command.*"),
    labels={"group": "web"},
)


def test_it_is_read_as_it_was_made() -> None:
    assert Bundle.parse(BUNDLE.text(SIGNER)) == BUNDLE
    assert BUNDLE.invitation == "0123"


def test_its_secrets_are_not_shown() -> None:
    assert "secret" not in repr(BUNDLE)
    assert "abcdef" not in repr(BUNDLE)


@pytest.mark.parametrize("name", [*Bundle.__dataclass_fields__])
def test_every_member_is_signed(name: str) -> None:
    text = BUNDLE.text(SIGNER)
    document = json.loads(text)
    value = document[name]
    document[name] = (
        {"x": "y"} if isinstance(value, dict) else [*value, "*"] if isinstance(value, list) else f"{value}1"
    )
    if name == "expires":
        document[name] = value + 1
    altered = json.dumps(document, separators=(",", ":"))
    with pytest.raises(InvalidInput, match=r"as the API made it|damaged"):
        Bundle.parse(altered)


def test_one_signed_by_another_key_than_it_names() -> None:
    other = Signer(SigningKey.generate())
    with pytest.raises(InvalidInput, match="not trusted"):
        Bundle.parse(BUNDLE.text(other))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a join bundle"),
        ("web1", "not a join bundle"),
        ("[]", "not a join bundle"),
        ("[" * 100_000, "not a join bundle"),
        (BUNDLE.text(SIGNER)[:200], "not a join bundle"),
        (BUNDLE.text(SIGNER).replace('"jobqueue_bundle":1', '"jobqueue_bundle":2'), "format '2'"),
        ('{"jobqueue_bundle":1}', "'trusted_keys' is missing"),
        ('{"jobqueue_bundle":1,"trusted_keys":7}', "damaged"),
        ('{"jobqueue_bundle":1,"trusted_keys":"-----BEGIN"}', "damaged"),
    ],
)
def test_invalid_bundles(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Bundle.parse(text)


@pytest.mark.parametrize(
    "change",
    [{"hostname": "a b"}, {"redis_url": "http://x"}, {"join_token": "none"}, {"labels": {"a": "\n"}}],
    ids=["hostname", "address", "token", "label"],
)
def test_signed_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        Bundle.parse(replace(BUNDLE, **change).text(SIGNER))  # type: ignore[arg-type]
