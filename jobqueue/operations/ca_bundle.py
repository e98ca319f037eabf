"""Bundles of CA certificates: read from PEM, with nothing but certificates in it."""

from __future__ import annotations

import base64
import binascii
import re
import ssl

from jobqueue.errors import OperationFailed
from jobqueue.operations.text import brief

#: Maximum number of certificates of a bundle.
MOST_CERTIFICATES = 100
_LABEL = re.compile(r"-----BEGIN ([^\n]*?)-----")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_CERTIFICATE = "CERTIFICATE"


def read_bundle(text: str, source: str) -> list[str]:
    """The certificates of a bundle, each as PEM, without duplicates and without the text between them.

    Raises ``OperationFailed``, which names ``source``, for a private key or anything else than CA certificates.
    """
    labels = _LABEL.findall(text)
    other = next((label for label in labels if label != _CERTIFICATE), None)
    if other is not None:
        raise OperationFailed(f"{source} contains a {brief(other, 50)}; a bundle may hold CA certificates only.")
    if not labels:
        raise OperationFailed(f"{source} contains no certificate in PEM (-----BEGIN CERTIFICATE-----).")
    if len(labels) > MOST_CERTIFICATES:
        raise OperationFailed(f"{source} contains {len(labels)} certificates; at most {MOST_CERTIFICATES} are allowed.")
    blocks = _BLOCK.findall(text)
    if len(blocks) != len(labels):
        raise OperationFailed(f"{source} contains a damaged certificate: a block is not base64, or has no end.")
    certificates = (_certificate(block, f"Certificate {number} of {source}") for number, block in enumerate(blocks, 1))
    return list(dict.fromkeys(certificates))


def _certificate(block: str, name: str) -> str:
    """One certificate as PEM."""
    try:
        der = base64.b64decode("".join(block.split()), validate=True)
    except binascii.Error as error:
        raise OperationFailed(f"{name} is damaged: it is not base64.") from error
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        store.load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError) as error:
        raise OperationFailed(f"{name} cannot be read as a certificate.") from error
    counts = store.cert_store_stats()
    if counts["x509"] != 1:
        raise OperationFailed(f"{name} cannot be read as a certificate.")
    if counts["x509_ca"] != 1:
        raise OperationFailed(f"{name} is not the certificate of a CA.")
    if store.get_ca_certs(binary_form=True) != [der]:
        raise OperationFailed(f"{name} has other data after the certificate.")
    return ssl.DER_cert_to_PEM_cert(der)
