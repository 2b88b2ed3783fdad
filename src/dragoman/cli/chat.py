"""``dragoman chat``: a conversation on the terminal."""

import argparse
import asyncio
import sys

from anyio import to_thread

from dragoman.bootstrap.services import open_services
from dragoman.cli.answers import show
from dragoman.cli.options import add_common, read_settings
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.inference.catalogue import DEFAULT_NAME
from dragoman.domain.messages.parts import Message
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError
from dragoman.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``--model`` and ``--collection``."""
    add_common(parser)
    add_email(parser)
    parser.add_argument("--model", "-m", metavar="M", help="model or gateway; default the one in force")
    parser.add_argument(
        "--collection", action="append", default=[], metavar="NAME", help="documents to answer from"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_chat(read_settings(arguments).settings, arguments))


async def _agent(services: Services, caller: Caller, arguments: argparse.Namespace) -> ResolvedAgent:
    agent = await services.runner.resolve(caller, arguments.model or DEFAULT_NAME)
    if not arguments.collection:
        return agent
    wanted = [await collection_for(services, caller, name) for name in arguments.collection]
    knowledge = KnowledgeSpec(collection_ids=tuple(collection.id for collection in wanted))
    return ResolvedAgent(
        agent.id, agent.name, agent.spec.model_copy(update={"knowledge": knowledge}), agent.endpoint_key
    )


async def _chat(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        agent = await _agent(services, caller, arguments)
        if sys.stdin.isatty():
            print(f"Talking to {agent.name}. An empty line or Ctrl-D ends.")
        turns: list[Message] = []
        while question := await to_thread.run_sync(_question):
            turns.append(Message.of_text("user", question))
            try:
                answer = await show(
                    services.runner.run(caller, agent, RunRequest(tuple(turns), dialect="cli"))
                )
            except DragomanError as error:
                # One failed turn must not throw away the conversation.
                sys.stderr.write(f"dragoman: {error.detail}\n")
                turns.pop()
                continue
            turns.append(Message.of_text("assistant", answer.text))
    return 0


def _question() -> str:
    if sys.stdin.isatty():
        sys.stdout.write("\n> ")
        sys.stdout.flush()
    return sys.stdin.readline().strip()
