"""Settings of signing in with an account that another server keeps."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from dragoman.settings.groups import Group, HttpUrl

RoleName = Literal["owner", "admin", "editor", "viewer"]


class OidcSettings(Group):
    """Signing in to the console with OpenID Connect; on when ``issuer`` is set."""

    issuer: HttpUrl | None = Field(
        default=None,
        description="Address of the issuer, to which /.well-known/openid-configuration is added.",
    )
    client_id: str | None = Field(default=None, min_length=1, description="What this server is called there.")
    client_secret: SecretStr | None = Field(
        default=None, description="Secret that belongs to the client id; unset, PKCE alone proves the client."
    )
    label: str = Field(
        default="single sign-on",
        min_length=1,
        max_length=60,
        description="What the button says: Sign in with ...",
    )
    scopes: list[str] = Field(
        default_factory=lambda: ["openid", "email", "profile"],
        description="What is asked for; openid is needed.",
    )
    domains: list[str] = Field(
        default_factory=list, description="Domains of e-mails that are let in; empty, all of them."
    )
    groups_claim: str = Field(
        default="groups",
        min_length=1,
        description="Claim of the identity token or of userinfo that names groups.",
    )
    groups: list[str] = Field(
        default_factory=list,
        description="Groups of which somebody must be in one to be let in; empty, everybody.",
    )
    roles: dict[str, RoleName] = Field(
        default_factory=dict,
        description="Roles by group, given anew at each sign-in; of several groups the highest role counts.",
    )
    users: Literal["known", "create"] = Field(
        default="known",
        description="Let in only people who were invited, or make a user for whoever the issuer vouches for.",
    )
    organisation: str | None = Field(
        default=None,
        min_length=1,
        description="Name or id of the organisation of new users; unset, the oldest.",
    )
    default_role: Literal["admin", "editor", "viewer", "none"] = Field(
        default="viewer", description="Role of new users to whom no group gives one; none lets nobody in so."
    )
    trust_email: bool = Field(
        default=False,
        description="Also take e-mails that the issuer does not call verified (email_verified).",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer is not None and self.client_id is None:
            raise ValueError("oidc.issuer needs oidc.client_id")
        if "openid" not in self.scopes:
            raise ValueError("oidc.scopes must hold openid")
        return self
