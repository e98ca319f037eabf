"""Addresses at which agents download content from the bucket: the API signs them, so no other can send agents away."""

from __future__ import annotations

from jobqueue.errors import SealBroken
from jobqueue.trust.signing.sealed import KeyRing, seal, unseal
from jobqueue.trust.signing.signer import Signer

_PURPOSE = b"content-address"


def sealed_address(signer: Signer, name: str, url: str) -> str:
    """The address of the content with this name, signed."""
    return seal(signer, _PURPOSE, {"name": name, "url": url})


def opened_address(text: str, keys: KeyRing, name: str) -> str:
    """The address in a sealed text. Raises ``SealBroken`` unless a trusted key signed it for this name."""
    document = unseal(text, keys, _PURPOSE)
    if document["name"] != name:
        raise SealBroken("it is the address of other content")
    return str(document["url"])
