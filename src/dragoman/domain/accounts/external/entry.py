"""Which user of the server an identity is, and with which role; made when the rules let somebody new in."""

from sqlalchemy import Connection

from dragoman.domain.accounts import repository as accounts
from dragoman.domain.accounts.admin import clean_email, new_user_values
from dragoman.domain.accounts.caller import Role
from dragoman.domain.accounts.external import repository
from dragoman.domain.accounts.external.model import EntryRules, Identity
from dragoman.domain.accounts.model import User
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants import repository as tenants
from dragoman.kit.errors import Forbidden

_HIGHEST_FIRST: tuple[Role, ...] = ("owner", "admin", "editor", "viewer")


def entered(connection: Connection, identity: Identity, rules: EntryRules, now: int) -> User:
    """The user, bound to the identity, with the role that the rules give.

    Raises:
        Forbidden: the rules do not let the identity in; the code says why.
    """
    if rules.groups and not set(rules.groups) & set(identity.groups):
        raise Forbidden("Your groups do not let you in here.", code="oidc_group")
    email = _email(identity, rules)
    user_id = repository.user_of(connection, identity.issuer, identity.subject)
    user = None if user_id is None else accounts.user_by_id(connection, user_id)
    if user is None:
        user = accounts.user_by_email(connection, email)
        if user is None:
            user = _made(connection, identity, email, rules, now)
        elif repository.subject_of(connection, identity.issuer, user.id) is not None:
            # The address was given to somebody else there: what was the other's stays the other's.
            raise Forbidden("Your e-mail belongs to another account here.", code="oidc_other_account")
        repository.bind(connection, identity.issuer, identity.subject, user.id, now)
    if user.disabled:
        raise Forbidden("You are locked out here.", code="oidc_locked_out")
    return _in_role(connection, user, identity, rules)


def _email(identity: Identity, rules: EntryRules) -> str:
    if not identity.email or not (identity.email_verified or rules.trust_email):
        raise Forbidden("The issuer names no e-mail that it has verified.", code="oidc_no_email")
    email = clean_email(identity.email)
    allowed = tuple(domain.lower().removeprefix("@") for domain in rules.domains)
    if allowed and email.rpartition("@")[2] not in allowed:
        raise Forbidden("Your e-mail's domain is not let in here.", code="oidc_domain")
    return email


def _given_role(identity: Identity, rules: EntryRules) -> Role | None:
    given = {rules.roles[group] for group in identity.groups if group in rules.roles}
    return next((role for role in _HIGHEST_FIRST if role in given), None)


def _made(connection: Connection, identity: Identity, email: str, rules: EntryRules, now: int) -> User:
    if not rules.create:
        raise Forbidden("You have no account here: ask for an invitation.", code="oidc_unknown_user")
    role = _given_role(identity, rules) or rules.default_role
    if role is None:
        raise Forbidden("Your groups give you no role here.", code="oidc_no_role")
    found = tenants.select(connection)
    home = next((one for one in found if rules.organisation in (None, one.name, one.id)), None)
    if home is None:
        raise Forbidden("The organisation of new users is not there.", code="oidc_no_organisation")
    values = new_user_values(email, home.id, role, name=(identity.name or "")[:200] or None, now_ms=now)
    accounts.insert_user(connection, values)
    accounts.raise_version(connection, accounts.KEYS_TOPIC)
    user = accounts.user_by_email(connection, email)
    assert user is not None
    Steward(home.id, operator=identity.issuer).note(
        connection, "user.created", user.id, email=email, role=role
    )
    return user


def _in_role(connection: Connection, user: User, identity: Identity, rules: EntryRules) -> User:
    """The user with the role of their groups; the last owner stays one."""
    role = _given_role(identity, rules)
    if role is None or role == user.role or tenants.owners(connection, user.organisation_id) == [user.id]:
        return user
    tenants.set_role(connection, user.id, role)
    accounts.raise_version(connection, accounts.KEYS_TOPIC)
    Steward(user.organisation_id, operator=identity.issuer).note(
        connection, "user.role_changed", user.id, role=role, before=user.role
    )
    changed = accounts.user_by_id(connection, user.id)
    assert changed is not None
    return changed
