"""Settings of encrypted connections and of client certificates."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from dragoman.settings.groups import FilePath, Group


class TlsSettings(Group):
    """Encrypted connections without a proxy; on when ``certificate`` is set."""

    certificate: FilePath | None = Field(
        default=None,
        description="File (PEM) of the server's certificate, with those between it and the root.",
    )
    key: FilePath | None = Field(default=None, description="File (PEM) of the key that belongs to it.")
    key_password: SecretStr | None = Field(default=None, description="What the key is encrypted with.")
    client_ca: FilePath | None = Field(
        default=None, description="File (PEM) of the issuers whose client certificates are taken."
    )
    client_certificates: Literal["none", "optional", "required"] = Field(
        default="none",
        description="Whether clients are asked for a certificate, and turned away without one.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls.certificate and tls.key belong together")
        if self.client_certificates != "none" and (self.certificate is None or self.client_ca is None):
            raise ValueError("tls.client_certificates needs tls.certificate, tls.key and tls.client_ca")
        return self


class CertificatesSettings(Group):
    """People who prove who they are by a client certificate, such as a smart card (CAC, PIV)."""

    header: str | None = Field(
        default=None,
        min_length=1,
        description="Header in which proxies of server.trusted_proxies hand the client's certificate over.",
    )
    verified_header: str | None = Field(
        default=None, min_length=1, description="Header in which they say SUCCESS once they have checked it."
    )
    issuers: list[FilePath] = Field(
        default_factory=list,
        description="Files (PEM) of issuers; one must have issued the certificate itself. Empty: whoever checked it is believed.",
    )
    revocation_lists: list[FilePath] = Field(
        default_factory=list,
        description="Files (PEM or DER) of revocation lists; with any, one of the certificate's issuer must be in its time.",
    )
    name: Literal["email", "principal", "common_name", "subject"] = Field(
        default="email",
        description="The name that counts: e-mail, Windows principal name, common name, or the whole subject.",
    )
    users: dict[str, str] = Field(
        default_factory=dict,
        description="E-mails of users by that name, where it is not itself the user's e-mail.",
    )
