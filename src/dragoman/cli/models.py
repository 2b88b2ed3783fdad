"""``dragoman models``."""

import argparse
import asyncio
import time

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.settings import Settings

_COLUMNS = ("name", "owner", "use", "available", "note")
_TEST_SECONDS = 120.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list`` and ``test``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_action(
        actions, "list", "list the models, which are in force and which are only for trying out"
    ).set_defaults(run=_list)
    test = add_action(actions, "test", "ask a model for one short answer")
    test.add_argument("name", nargs="?", metavar="NAME", help="default the one in force")
    test.set_defaults(run=_test)


def _list(arguments: argparse.Namespace) -> int:
    rows = asyncio.run(_rows(read_settings(arguments).settings))
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


async def _rows(settings: Settings) -> list[dict[str, object]]:
    async with open_services(settings) as services:
        catalogue = services.catalogue
        rows: list[dict[str, object]] = []
        for entry in catalogue.entries():
            uses = [use for use, holds in (("chat", entry.in_force), ("documents", entry.grounded)) if holds]
            note = entry.unavailable or ("only for trying out" if entry.demo else None)
            rows.append(
                {
                    "name": entry.name,
                    "owner": entry.owner,
                    "use": ", ".join(uses) or None,
                    "available": entry.unavailable is None,
                    "demo": entry.demo,
                    "note": note,
                }
            )
        profile = services.embed.profile
        rows.append(
            {
                "name": profile.name if profile else "embedder",
                "owner": "embedder",
                "use": "embeddings" if profile else None,
                "available": profile is not None,
                "demo": False,
                "note": services.embed.reason,
            }
        )
        return rows


def _test(arguments: argparse.Namespace) -> int:
    result = asyncio.run(_tested(read_settings(arguments).settings, arguments.name))
    if arguments.json:
        print_json(result)
    else:
        print(f"{result['model']} answered in {result['seconds']} s: {result['text']}")
    return 0


async def _tested(settings: Settings, name: str | None) -> dict[str, object]:
    async with open_services(settings) as services:
        model = services.catalogue.resolve(name or services.catalogue.default().name)
        request = ChatRequest(
            (Message.of_text("user", "Say hello in one short sentence."),), Sampling(max_tokens=40)
        )
        started = time.monotonic()
        answer = await fold_stream(complete(model, request, deadline_seconds=_TEST_SECONDS))
        return {
            "model": answer.model,
            "seconds": round(time.monotonic() - started, 2),
            "text": answer.text.strip(),
        }
