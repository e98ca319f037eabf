"""Whether the API may be served at its address: openly on loopback only."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path

from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings


def check_address(settings: Settings, listener: socket.socket) -> None:
    """Raise ``InvalidSettings`` if traffic to this address could be read or changed on its way."""
    if is_loopback(listener) or files_of(settings) is not None or settings.behind_proxy:
        return
    raise InvalidSettings(
        "The API does not listen on {}:{} without TLS: an eavesdropper could run commands on every host. Set "
        "JOBQUEUE_TLS_CERT and JOBQUEUE_TLS_KEY; or give --behind-proxy (JOBQUEUE_BEHIND_PROXY=1) if no client can "
        "reach it but a proxy with TLS; or listen on 127.0.0.1.".format(*listener.getsockname()[:2])
    )


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach ``listener``."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def files_of(settings: Settings) -> tuple[Path, Path] | None:
    """Certificate and key, or None to serve without TLS. Raises ``InvalidSettings`` if they do not work."""
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "JOBQUEUE_TLS_CERT" if certificate is None else "JOBQUEUE_TLS_KEY"
        raise InvalidSettings(f"{missing} is missing: TLS needs a certificate and its key.")
    try:
        context(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidSettings(
            f"JOBQUEUE_TLS_CERT, JOBQUEUE_TLS_KEY: {certificate} and {key} cannot be used ({error}). They must be PEM "
            "files, the key without a password, of one key pair."
        ) from error
    return certificate, key


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate."""
    tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls_context.minimum_version = ssl.TLSVersion.TLSv1_2
    # an empty password, or OpenSSL would prompt for one at the terminal
    tls_context.load_cert_chain(certificate, key, password="")
    return tls_context
