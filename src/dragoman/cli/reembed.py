"""``dragoman collections embedders`` and ``reembed``."""

import argparse
import asyncio
from dataclasses import asdict
from typing import Any

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.knowledge.reembed import EmbedderState
from dragoman.settings import Settings

_COLUMNS = ("collection_id", "name", "embedder", "available", "choice", "next", "state", "progress", "detail")


def add_actions(actions: Any) -> None:
    """Adds both actions to those of collections."""
    listing = add_action(actions, "embedders", "show whose vectors collections have, and changes under way")
    reembed = add_action(
        actions, "reembed", "give a collection another embedder while it goes on answering questions"
    )
    reembed.add_argument("name", metavar="NAME", help="name or id")
    what = reembed.add_mutually_exclusive_group()
    what.add_argument(
        "--embedder",
        metavar="E",
        default="default",
        help="default (the server's own), local, or one of embedding.others",
    )
    what.add_argument("--cancel", action="store_true", help="stop a change under way; the old vectors stay")
    for action, run in ((listing, _list), (reembed, _reembed)):
        add_email(action)
        action.set_defaults(run=run)


def _shown(state: EmbedderState) -> dict[str, object]:
    progress = f"{state.done}/{state.total}" if state.next is not None else None
    return {**asdict(state), "progress": progress}


def _list(arguments: argparse.Namespace) -> int:
    rows = asyncio.run(_listed(read_settings(arguments).settings, arguments.email))
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _listed(settings: Settings, email: str | None) -> list[dict[str, object]]:
    async with open_services(settings) as services:
        caller = await caller_for(services, email)
        return [_shown(state) for state in await services.reembedding.states(caller)]


def _reembed(arguments: argparse.Namespace) -> int:
    state = asyncio.run(_begun(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json(_shown(state))
    elif state.next is None:
        print(f"{state.name}: vectors of {state.embedder or state.choice}; nothing is under way")
    else:
        print(
            f"{state.name}: on its way from {state.embedder} to {state.next}, {state.done} of {state.total} passages"
        )
    return 0


async def _begun(settings: Settings, arguments: argparse.Namespace) -> EmbedderState:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await collection_for(services, caller, arguments.name)
        if arguments.cancel:
            return await services.reembedding.cancel(caller, found.id)
        return await services.reembedding.start(caller, found.id, arguments.embedder)
