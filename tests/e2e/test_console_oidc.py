"""Signing in with OpenID Connect, at an issuer on this machine that speaks the real protocol and can lie."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.e2e.fake_issuer import CLIENT_ID, CLIENT_SECRET, FakeIssuer, Person
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY, EMAIL
from tests.e2e.test_console import Visitor, colleague

from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.services import open_running
from dragoman.domain.accounts.admin import NewUser


@pytest.fixture
def issuer() -> Generator[FakeIssuer]:
    with FakeIssuer() as started:
        yield started


@asynccontextmanager
async def house_with(issuer: FakeIssuer, folder: Path, **oidc: Any) -> AsyncGenerator[InProcess]:
    usual = {
        "issuer": issuer.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "label": "Acme",
        **oidc,
    }
    async with in_process(settings_in(folder / "data", oidc=usual)) as started:
        yield started


@pytest.fixture
async def house(issuer: FakeIssuer, tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with house_with(issuer, tmp_path) as started:
        yield started


async def went(visitor: Visitor) -> str:
    """Where the browser is sent to sign in."""
    answer = await visitor.ask("GET", "/oidc/start")
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    return answer.headers["location"]


async def came(visitor: Visitor, address: str) -> str:
    """Where the browser is sent once it comes back: the code of a refusal, empty when it was let in."""
    parts = urlsplit(address)
    answer = await visitor.ask("GET", f"{parts.path.removeprefix('/console')}?{parts.query}")
    assert answer.status_code == 303, answer.text
    told = urlsplit(answer.headers["location"])
    assert told.path == "/console"
    return parse_qs(told.query).get("refused", [""])[0]


async def enters(house: InProcess, issuer: FakeIssuer, visitor: Visitor | None = None) -> tuple[Visitor, str]:
    visitor = visitor or Visitor(house.application)
    refused = await came(visitor, issuer.sign_in(await went(visitor)))
    session = await visitor.ask("GET", "/api/session")
    assert (session.status_code == 200) == (refused == "")
    if not refused:
        visitor.token = session.json()["token"]
    return visitor, refused


async def who(visitor: Visitor) -> tuple[str, str]:
    user = (await visitor.ask("GET", "/api/session")).json()["user"]
    return user["email"], user["role"]


async def test_somebody_known_comes_in_and_leaves_at_the_issuer_too(
    house: InProcess, issuer: FakeIssuer
) -> None:
    visitor, refused = await enters(house, issuer)
    assert refused == ""
    assert await who(visitor) == (EMAIL, "owner")
    (session,) = (await visitor.ask("GET", "/api/sessions")).json()
    assert session["way"] == "oidc"
    events = (await visitor.ask("GET", "/api/audit?text=session.opened")).json()["events"]
    assert events[0]["details"] == {"by": "oidc"}
    left = await visitor.ask("DELETE", "/api/session")
    told = urlsplit(left.json()["next"])
    assert f"{told.scheme}://{told.netloc}{told.path}" == f"{issuer.url}/leave"
    assert parse_qs(told.query) == {
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": ["http://here/console"],
    }
    assert (await visitor.ask("GET", "/api/session")).status_code == 401


async def test_the_page_is_told_of_the_way_in(house: InProcess, tmp_path: Path) -> None:
    assert (await Visitor(house.application).ask("GET", "/api/ways")).json() == {
        "oidc": "Acme",
        "certificate": None,
    }
    async with in_process(settings_in(tmp_path / "other")) as without:
        stranger = Visitor(without.application)
        assert (await stranger.ask("GET", "/api/ways")).json()["oidc"] is None
        answer = await stranger.ask("GET", "/oidc/start")
        assert answer.headers["location"] == "/console?refused=oidc_off"


async def test_a_sign_in_comes_back_once_and_in_its_own_browser_only(
    house: InProcess, issuer: FakeIssuer
) -> None:
    first, thief = Visitor(house.application), Visitor(house.application)
    back = issuer.sign_in(await went(first))
    await went(thief)
    assert await came(thief, back) == "oidc_state"
    assert (await thief.ask("GET", "/api/session")).status_code == 401
    # It was tried from elsewhere, and so it is over for everybody.
    assert await came(first, back) == "oidc_state"
    back = issuer.sign_in(await went(first))
    assert await came(first, back) == ""
    assert await came(first, back) == "oidc_state"


@pytest.mark.parametrize("query", ["", "code=x", "state=x", "state=x&code=y", "state=%00&code=" + "x" * 5000])
async def test_what_was_never_begun_is_refused(house: InProcess, query: str) -> None:
    visitor = Visitor(house.application)
    assert await came(visitor, f"http://here/console/oidc/callback?{query}") == "oidc_state"


async def test_who_declines_at_the_issuer_comes_back_with_nothing(
    house: InProcess, issuer: FakeIssuer
) -> None:
    visitor = Visitor(house.application)
    await went(visitor)
    address = "http://here/console/oidc/callback?error=access_denied&state=x"
    assert await came(visitor, address) == "oidc_declined"


NOW = int(time.time())
LIES: list[dict[str, Any]] = [
    {"aud": "somebody-else"},
    {"aud": [CLIENT_ID, "somebody-else"]},
    {"azp": "somebody-else"},
    {"iss": "https://issuer.invalid"},
    {"exp": NOW - 3600},
    {"iat": NOW + 7200},
    {"nonce": "of another sign-in"},
    {"nonce": None},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "-".join(lie) + str(len(str(lie))))
async def test_a_token_with_a_wrong_claim_is_refused(
    house: InProcess, issuer: FakeIssuer, lie: dict[str, Any]
) -> None:
    issuer.lies = lie
    _, refused = await enters(house, issuer)
    assert refused == "oidc_token"


async def test_a_token_with_a_bad_signature_is_refused(house: InProcess, issuer: FakeIssuer) -> None:
    foreign = rsa.generate_private_key(65537, 2048)
    secret = "a shared word that is long enough"
    issuer.published.append(
        {"kty": "oct", "kid": "shared", "k": "YSBzaGFyZWQgd29yZCB0aGF0IGlzIGxvbmcgZW5vdWdo"}
    )
    for signer in (
        (foreign, "RS256", "one"),
        (foreign, "RS256", "unknown"),
        (foreign, "RS256", None),
        (secret, "HS256", "shared"),
        (secret, "HS256", "one"),
        (None, "none", "one"),
    ):
        issuer.signer = signer
        _, refused = await enters(house, issuer)
        assert refused == "oidc_token", signer


async def test_a_key_that_the_issuer_has_turned_is_fetched(house: InProcess, issuer: FakeIssuer) -> None:
    _, refused = await enters(house, issuer)
    assert refused == ""
    issuer.turn_key()
    assert (await enters(house, issuer))[1] == ""
    issuer.signer = (issuer.own_key, "RS256", "never published")
    for _ in range(3):
        assert (await enters(house, issuer))[1] == "oidc_token"
    # Keys are asked for again at most every half minute, whatever comes.
    assert issuer.calls.count("/keys") == 2


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(
    house: InProcess, issuer: FakeIssuer
) -> None:
    issuer.name = "https://issuer.invalid"
    answer = await Visitor(house.application).ask("GET", "/oidc/start")
    assert answer.headers["location"] == "/console?refused=oidc_issuer"


async def test_an_issuer_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    oidc = {"issuer": "http://127.0.0.1:9", "client_id": CLIENT_ID}
    async with in_process(settings_in(tmp_path / "data", oidc=oidc)) as house:
        answer = await Visitor(house.application).ask("GET", "/oidc/start")
        assert answer.headers["location"] == "/console?refused=oidc_issuer"


async def test_only_a_verified_email_of_somebody_invited_comes_in(
    house: InProcess, issuer: FakeIssuer
) -> None:
    for claims, code in (
        ({"email": EMAIL, "email_verified": False}, "oidc_no_email"),
        ({"email": EMAIL}, "oidc_no_email"),
        ({}, "oidc_no_email"),
        ({"email": "new@example.org", "email_verified": True}, "oidc_unknown_user"),
    ):
        issuer.person = Person("subject-2", claims)
        assert (await enters(house, issuer))[1] == code
    issuer.person = Person("subject-2", {}, {"email": EMAIL, "email_verified": True})
    assert (await enters(house, issuer))[1] == ""


async def test_an_account_stays_with_the_person_whatever_becomes_of_the_email(
    house: InProcess, issuer: FakeIssuer
) -> None:
    assert (await enters(house, issuer))[1] == ""
    issuer.person = Person("subject-2")
    assert (await enters(house, issuer))[1] == "oidc_other_account"
    issuer.person = Person("subject-1", {"email": "ana.new@example.org", "email_verified": True})
    visitor, refused = await enters(house, issuer)
    assert refused == ""
    assert await who(visitor) == (EMAIL, "owner")


async def test_who_is_locked_out_does_not_come_in(house: InProcess, issuer: FakeIssuer) -> None:
    owner = Visitor(house.application)
    await owner.by_key(API_KEY)
    editor = await colleague(house, owner, "editor")
    issuer.person = Person("subject-3", {"email": "editor@example.org", "email_verified": True})
    assert (await enters(house, issuer))[1] == ""
    user = (await editor.ask("GET", "/api/session")).json()["user"]["id"]
    assert (await owner.ask("PATCH", f"/api/users/{user}", json={"disabled": True})).status_code == 204
    assert (await enters(house, issuer))[1] == "oidc_locked_out"


async def test_new_people_get_the_role_of_their_groups_anew_at_each_sign_in(
    issuer: FakeIssuer, tmp_path: Path
) -> None:
    rules = {
        "users": "create",
        "domains": ["example.org"],
        "groups": ["staff"],
        "roles": {"writers": "editor", "chiefs": "admin", "bosses": "owner"},
    }
    async with house_with(issuer, tmp_path, **rules) as house:

        async def comes(email: str, *groups: str) -> tuple[Visitor, str]:
            claims = {"email": email, "email_verified": True, "groups": list(groups), "name": "Zoe"}
            issuer.person = Person(f"subject of {email}", claims)
            return await enters(house, issuer)

        assert (await comes("zoe@elsewhere.org", "staff"))[1] == "oidc_domain"
        assert (await comes("zoe@example.org", "writers"))[1] == "oidc_group"
        zoe, refused = await comes("zoe@example.org", "staff")
        assert refused == ""
        assert await who(zoe) == ("zoe@example.org", "viewer")
        await comes("zoe@example.org", "staff", "writers", "chiefs")
        assert await who(zoe) == ("zoe@example.org", "admin")
        await comes("zoe@example.org", "staff", "writers")
        assert await who(zoe) == ("zoe@example.org", "editor")
        # The last owner stays one, whatever the groups say.
        ana, refused = await comes(EMAIL, "staff", "writers")
        assert refused == ""
        assert await who(ana) == (EMAIL, "owner")
        events = (await ana.ask("GET", "/api/audit?text=user.")).json()["events"]
        actions = [(one["action"], one["details"].get("operator")) for one in events[:3]]
        assert actions == [
            ("user.role_changed", issuer.url),
            ("user.role_changed", issuer.url),
            ("user.created", issuer.url),
        ]


async def test_without_a_role_for_newcomers_only_groups_let_in(issuer: FakeIssuer, tmp_path: Path) -> None:
    rules = {"users": "create", "default_role": "none", "roles": {"writers": "editor"}, "trust_email": True}
    async with house_with(issuer, tmp_path, **rules) as house:
        issuer.person = Person("subject-4", {"email": "zoe@example.org"})
        assert (await enters(house, issuer))[1] == "oidc_no_role"
        issuer.person = Person("subject-4", {"email": "zoe@example.org", "groups": "writers"})
        zoe, refused = await enters(house, issuer)
        assert refused == ""
        assert await who(zoe) == ("zoe@example.org", "editor")


async def test_another_process_takes_the_sign_in_up(issuer: FakeIssuer, tmp_path: Path) -> None:
    oidc = {"issuer": issuer.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    settings = settings_in(tmp_path / "data", oidc=oidc)
    visitor: Visitor | None = None
    back = ""
    for _ in range(2):
        async with open_running(settings, work=False) as running, AsyncExitStack() as stack:
            if not await running.services.accounts.admin.users():
                await running.services.accounts.admin.create_user(NewUser(EMAIL))
            application = build_application(running, stack)
            if visitor is None:
                visitor = Visitor(application)
                back = issuer.sign_in(await went(visitor))
                cookies = visitor.client.cookies
            else:
                again = Visitor(application)
                again.client.cookies = cookies  # pyright: ignore[reportPossiblyUnboundVariable]
                assert await came(again, back) == ""
                assert (await who(again))[0] == EMAIL
