"""``dragoman query``: one question to the documents, answered with references."""

import argparse
import asyncio

from dragoman.bootstrap.services import open_services
from dragoman.cli.answers import show, show_json
from dragoman.cli.options import add_common, add_json, read_settings
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.inference.catalogue import DEFAULT_NAME
from dragoman.domain.messages.parts import Message
from dragoman.settings import Settings

_REFERENCES = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the question, ``--collection`` and ``--model``."""
    add_common(parser)
    add_json(parser)
    add_email(parser)
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="where to look; may be repeated; default all",
    )
    parser.add_argument("--model", metavar="M", help="model or gateway; default the one in force")
    parser.add_argument(
        "--references", type=int, default=_REFERENCES, metavar="N", help="most passages to use"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_answer(read_settings(arguments).settings, arguments))


async def _answer(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        wanted = [await collection_for(services, caller, name) for name in arguments.collection]
        found = wanted or await services.collections.visible(caller)
        model = arguments.model or DEFAULT_NAME
        agent = await services.runner.resolve(caller, model)
        knowledge = KnowledgeSpec(
            collection_ids=tuple(collection.id for collection in found),
            maximum_results=max(1, min(arguments.references, 128)),
        )
        spec = agent.spec.model_copy(update={"knowledge": knowledge})
        asked = RunRequest((Message.of_text("user", arguments.question),), dialect="cli")
        chosen = ResolvedAgent(agent.id, agent.name, spec, agent.endpoint_key)
        events = services.runner.run(caller, chosen, asked)
        await (show_json if arguments.json else show)(events)
    return 0
