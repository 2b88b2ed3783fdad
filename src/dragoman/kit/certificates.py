"""Client certificates: how a proxy or the connection hands one over, and what it says of its owner."""

import base64
import binascii
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, ObjectIdentifier

SCOPE_KEY = "dragoman.client_certificate"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LONGEST = 64 * 1024
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8_TAG = 0x0C


class BadCertificate(Exception):
    """What was handed over is no certificate."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a certificate says. ``emails`` and ``principals`` are in lower case; ``for_clients``: made to prove who a client is."""

    certificate: x509.Certificate
    subject: str
    issuer: str
    serial: str
    common_name: str
    emails: tuple[str, ...]
    principals: tuple[str, ...]
    begins: datetime
    ends: datetime
    for_clients: bool


def presented(scope: Mapping[str, Any]) -> bytes | None:
    """The certificate in DER that came with a request, by the connection or by a trusted proxy; not yet checked."""
    found: bytes | None = scope.get(SCOPE_KEY)
    return found


class CertificateHeader:
    """The header in which trusted proxies hand a certificate over.

    Args:
        name: of the header with the certificate.
        verified: name of a header in which the proxy says ``SUCCESS`` once it has checked the certificate; None: it hands over
            none that it has not checked.
    """

    def __init__(self, name: str, verified: str | None = None) -> None:
        self._name = name.lower().encode()
        self._verified = verified.lower().encode() if verified else None

    def take(self, scope: MutableMapping[str, Any]) -> None:
        """Puts the certificate of a trusted proxy's request where ``presented`` finds it; what cannot be read is none."""
        headers: list[tuple[bytes, bytes]] = list(scope.get("headers", ()))
        given = [value for name, value in headers if name.lower() == self._name]
        # Two could be the proxy's and the client's own: then none counts.
        if len(given) != 1 or not self._is_verified(headers):
            return
        try:
            scope[SCOPE_KEY] = der_of(given[0].decode("latin-1"))
        except BadCertificate:
            return

    def _is_verified(self, headers: list[tuple[bytes, bytes]]) -> bool:
        if self._verified is None:
            return True
        return [value for name, value in headers if name.lower() == self._verified] == [b"SUCCESS"]


def der_of(text: str) -> bytes:
    """The certificate of a header's value.

    Taken are PEM as nginx (escaped), Apache (with blanks for line ends) and AWS send it, base64 of DER as HAProxy and
    RFC 9440 (between colons) do, and Envoy's ``X-Forwarded-Client-Cert``, whose last element is the nearest proxy's.

    Raises:
        BadCertificate: it is none of them.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        raise BadCertificate
    if text.startswith((":", "MI")):
        return _decoded(text.strip(":"))
    if "%" in text and not _is_xfcc(text):
        text = unquote(text)
    if _is_xfcc(text):
        text = unquote(_xfcc(text))
    if not text.startswith(_BEGIN):
        raise BadCertificate
    body, separator, _ = text.removeprefix(_BEGIN).partition(_END)
    if not separator:
        raise BadCertificate
    return _decoded("".join(body.split()))


def _is_xfcc(text: str) -> bool:
    return "Cert=" in text and not text.startswith(("-----", "%2D", ":"))


def _xfcc(text: str) -> str:
    for pair in _parts(_parts(text, ",")[-1], ";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "cert":
            return value.strip('"')
    raise BadCertificate


def _parts(text: str, separator: str) -> list[str]:
    """The text cut at the separators that stand outside quotes."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _decoded(text: str) -> bytes:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCertificate from error
    if not der:
        raise BadCertificate
    return der


def read(der: bytes) -> ClientCertificate:
    """What a certificate says.

    Raises:
        BadCertificate: it is none.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        emails, principals = _names(found)
        in_subject = [_text(one) for one in found.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return ClientCertificate(
            certificate=found,
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            serial=f"{found.serial_number:x}",
            common_name=_text(common[0]) if common else "",
            emails=tuple(dict.fromkeys(one.strip().lower() for one in (*emails, *in_subject))),
            principals=tuple(one.strip().lower() for one in principals),
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
            for_clients=_for_clients(found),
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise BadCertificate from error


def _text(attribute: x509.NameAttribute[Any]) -> str:
    value = attribute.value
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")


def _names(found: x509.Certificate) -> tuple[list[str], list[str]]:
    """E-mails and Windows principal names among the alternative names."""
    try:
        names = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return [], []
    assert isinstance(names, x509.SubjectAlternativeName)
    # A short UTF8String: tag, length, text.
    principals = [
        other.value[2 : 2 + other.value[1]].decode("utf-8")
        for other in names.get_values_for_type(x509.OtherName)
        if other.type_id == _UPN and other.value[:1] == bytes((_UTF8_TAG,)) and len(other.value) > 2
    ]
    return list(names.get_values_for_type(x509.RFC822Name)), principals


def _for_clients(found: x509.Certificate) -> bool:
    """Whether the certificate is for clients, or says nothing of what it is for."""
    try:
        usage = found.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    assert isinstance(usage, x509.ExtendedKeyUsage)
    return bool({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage))
