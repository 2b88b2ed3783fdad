"""What the vendor's own client asks for at start: a login with a key, the balance, the catalogue."""

import shutil

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, private_only, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Member, Record, Text
from dragoman.domain.usage.repository import UsageFilter
from dragoman.kit.clock import now_ms
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_DAY_MS = 86_400_000

LOGIN = Record({"loginKey": Member(Text(1, 4000), required=True)})


@router.post("/auth/login", openapi_extra=json_content(LOGIN))
async def log_in(request: Request) -> Response:
    """The account of a private key; the key itself goes on being the token.

    Source: the vendor's desktop client.
    """
    key = str((await read_body(request, LOGIN))["loginKey"]).strip()
    accounts = services_of(request).accounts
    caller = private_only(await accounts.keys.authenticate_slow(key))
    user = await accounts.user(caller)
    account: dict[str, JsonValue] = {
        "id": user.id,
        "name": user.name or user.email,
        "email": user.email,
        "plan": [],
    }
    return answer(request, {"accessToken": key, "account": account})


@router.get("/information/balance")
async def balance(request: Request, caller: PrivateCaller) -> Response:
    """What the account used within a day, in US dollars, and what room there is; nothing here is prepaid or runs out.

    Source: the vendor's desktop client and manual for agents.
    """
    services = services_of(request)
    used = await services.usage.totals(caller, UsageFilter(since=now_ms() - _DAY_MS))
    stored = await services.collections.stored_bytes(caller)
    free = (await to_thread.run_sync(shutil.disk_usage, services.settings.data_dir)).free
    return answer(
        request,
        {
            "balance": 0,
            "unlimited": True,
            "usage24h": used.cost_micro_usd / 1_000_000,
            "plan": "Self-hosted",
            "storageUsage": stored,
            "subscriptionModelUsage": [],
            "planLimits": {"includedStorage": stored + free},
        },
    )


@router.get("/information/models.json")
async def catalogue(request: Request) -> Response:
    """The catalogue's models by who runs them; needs no key, as the vendor's client sends none.

    Source: the vendor's desktop client.
    """
    providers: dict[str, list[JsonValue]] = {}
    for entry in services_of(request).catalogue.entries():
        if entry.unavailable is None:
            providers.setdefault(entry.owner, []).append(
                {
                    "id": entry.name,
                    "name": entry.name,
                    "description": "For demonstration only." if entry.demo else None,
                    "flags": ["Preview"] if entry.demo else [],
                    "pricing": [],
                }
            )
    return answer(request, [{"name": name, "models": models} for name, models in providers.items()])
