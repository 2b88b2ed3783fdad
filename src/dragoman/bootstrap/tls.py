"""Encrypted connections, and the certificates that clients present on them or that proxies hand over."""

import asyncio
import ssl
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dragoman.bootstrap.foundation import Foundation
from dragoman.domain.accounts.certificates.service import CertificateRules, ClientCertificates
from dragoman.domain.accounts.certificates.trust import Trust
from dragoman.kit.certificates import SCOPE_KEY, CertificateHeader
from dragoman.kit.errors import Unavailable
from dragoman.settings import Settings

_NEEDED = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class CertifiedProtocol(HttpToolsProtocol):
    """HTTP whose requests carry the certificate that their connection has shown."""

    _certificate: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Notes the certificate."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._certificate = connection.getpeercert(binary_form=True) if connection is not None else None

    def on_message_begin(self) -> None:
        """Puts it on the request."""
        super().on_message_begin()
        if self._certificate is not None:
            cast("dict[str, Any]", self.scope)[SCOPE_KEY] = self._certificate


def connection_options(settings: Settings) -> dict[str, Any]:
    """What the server has to be told of encryption; nothing without a certificate.

    Raises:
        Unavailable: a file cannot be read.
    """
    tls = settings.tls
    if tls.certificate is None or tls.key is None:
        return {}
    for file in (tls.certificate, tls.key, tls.client_ca):
        if file is not None and not file.is_file():
            raise Unavailable(f"The file {file} is not there: see tls in the settings.", code="tls_files")
    return {
        "http": CertifiedProtocol,
        "ssl_certfile": str(tls.certificate),
        "ssl_keyfile": str(tls.key),
        "ssl_keyfile_password": tls.key_password.get_secret_value() if tls.key_password else None,
        "ssl_ca_certs": str(tls.client_ca) if tls.client_ca is not None else None,
        "ssl_cert_reqs": _NEEDED[tls.client_certificates],
    }


def certificate_header(settings: Settings) -> CertificateHeader | None:
    """How proxies hand certificates over, None when they do not."""
    given = settings.certificates
    return None if given.header is None else CertificateHeader(given.header, given.verified_header)


def open_certificates(base: Foundation) -> ClientCertificates:
    """Who tells whose a certificate is."""
    settings = base.settings
    given = settings.certificates
    enabled = given.header is not None or settings.tls.client_certificates != "none"
    rules = CertificateRules(given.name, dict(given.users), enabled)
    trust = Trust(given.issuers, given.revocation_lists)
    return ClientCertificates(base.database, base.accounts.signin, trust, rules)
