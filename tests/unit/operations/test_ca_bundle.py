"""What a bundle of CA certificates may hold."""

from __future__ import annotations

import ssl

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.ca_bundle import read_bundle
from tests.unit.operations.certificates import LEAF, ONE, TWO

KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQA=\n-----END PRIVATE KEY-----\n"
DER = ssl.PEM_cert_to_DER_cert(ONE)


def test_certificates_are_read_without_the_text_between_them() -> None:
    assert read_bundle(f"# ours\n{ONE}subject=/CN=two\n{TWO}{ONE}", "it") == [ONE, TWO]
    assert read_bundle(ONE.replace("\n", "\r\n"), "it") == [ONE]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it contains no certificate in PEM"),
        ("x", "it contains no certificate in PEM"),
        (ONE + KEY, "it contains a PRIVATE KEY"),
        (KEY + ONE, "it contains a PRIVATE KEY"),
        (ONE + KEY.replace("PRIVATE", "EC PRIVATE"), "it contains a EC PRIVATE KEY"),
        (KEY.replace("-----END PRIVATE KEY-----", "") + ONE, "it contains a PRIVATE KEY"),
        (ONE.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "it contains a TRUSTED CERTIFICATE"),
        (LEAF, "Certificate 1 of it is not the certificate of a CA"),
        (ONE + LEAF, "Certificate 2 of it is not the certificate of a CA"),
        (ONE.replace("MII", "MI!", 1), "it contains a damaged certificate"),
        (ONE.replace("-----END CERTIFICATE-----", ""), "it contains a damaged certificate"),
        (ONE.replace("MII", "MI", 1), "Certificate 1 of it is damaged: it is not base64"),
        (ONE.replace("MII", "MIJ", 1), "Certificate 1 of it cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "Certificate 1 of it cannot be read"),
        (ssl.DER_cert_to_PEM_cert(b"abc"), "Certificate 1 of it cannot be read"),
        # what other programs might read there
        (ssl.DER_cert_to_PEM_cert(DER + ssl.PEM_cert_to_DER_cert(TWO)), "Certificate 1 of it cannot be read"),
        (ssl.DER_cert_to_PEM_cert(DER + DER), "has other data after the certificate"),
        (ssl.DER_cert_to_PEM_cert(DER + b"secret"), "Certificate 1 of it"),
        (ONE * 101, "it contains 101 certificates; at most 100"),
    ],
)
def test_everything_else_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(OperationFailed, match=sentence):
        read_bundle(text, "it")
