"""Whether a certificate holds: its time, its purpose, who issued it, and whether it was taken back."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from dragoman.kit.certificates import ClientCertificate
from dragoman.kit.errors import Unauthenticated, Unavailable

T = TypeVar("T")


class Trust:
    """What certificates are taken. Files are read anew when they have changed. Everything blocks.

    Args:
        issuers: files with certificates (PEM) of which one must have issued the client's; without any, who checked the certificate
            before (the proxy, or the connection) is believed.
        lists: files with revocation lists (PEM or DER); with any, the issuer's must be among them and in its time.
    """

    def __init__(
        self,
        issuers: Sequence[Path] = (),
        lists: Sequence[Path] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._issuers = _Files(issuers, _certificates)
        self._lists = _Files(lists, _revocations)
        self._clock = clock

    def check(self, given: ClientCertificate) -> None:
        """Returns when the certificate holds.

        Raises:
            Unauthenticated: it does not; says why.
            Unavailable: a file cannot be read.
        """
        now = self._clock()
        if not given.begins <= now <= given.ends:
            raise _refused("The certificate is not in its time.")
        if not given.for_clients:
            raise _refused("The certificate is not made for clients.")
        issuers = self._issuers.read()
        issuer = next((one for one in issuers if _issued(given.certificate, one)), None)
        if issuers and issuer is None:
            raise _refused("The certificate was issued by none of the trusted issuers.")
        if self._lists:
            self._check_revocation(given.certificate, issuer, now)

    def _check_revocation(
        self, given: x509.Certificate, issuer: x509.Certificate | None, now: datetime
    ) -> None:
        holding = [
            one
            for one in self._lists.read()
            if one.issuer == given.issuer
            and one.last_update_utc <= now
            and (one.next_update_utc is None or now <= one.next_update_utc)
            and (issuer is None or _signed(one, issuer))
        ]
        if not holding:
            raise _refused(
                "Whether the certificate was taken back cannot be told: its issuer's list is missing or old."
            )
        if any(one.get_revoked_certificate_by_serial_number(given.serial_number) for one in holding):
            raise _refused("The certificate was taken back.")


class _Files(Generic[T]):
    """What files hold, read anew when one has changed."""

    def __init__(self, files: Sequence[Path], reading: Callable[[bytes], list[T]]) -> None:
        self._files = tuple(files)
        self._reading = reading
        self._seen: tuple[tuple[int, int], ...] | None = None
        self._held: list[T] = []

    def __bool__(self) -> bool:
        return bool(self._files)

    def read(self) -> list[T]:
        try:
            stats = [file.stat() for file in self._files]
            seen = tuple((one.st_mtime_ns, one.st_size) for one in stats)
            if seen != self._seen:
                self._held = [one for file in self._files for one in self._reading(file.read_bytes())]
                self._seen = seen
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"The server's files of certificates cannot be read ({type(error).__name__}).",
                code="certificate_files",
            ) from error
        return self._held


def _certificates(content: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(content)


def _revocations(content: bytes) -> list[x509.CertificateRevocationList]:
    if b"-----BEGIN" not in content:
        return [x509.load_der_x509_crl(content)]
    end = b"-----END X509 CRL-----"
    parts = content.split(end)
    return [x509.load_pem_x509_crl(part + end) for part in parts if b"-----BEGIN X509 CRL-----" in part]


def _issued(given: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        given.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _signed(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    try:
        return found.is_signature_valid(key)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return False


def _refused(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, code="certificate_refused")
