"""From the words of a command line to the function that carries them out, and from errors to exit codes.

A verb's module is imported only when the verb is used. It has ``configure(parser)``, which adds its
arguments and sets ``run``, a function from the parsed arguments to the exit code: 0 done, 1 failed, 2 not
understood.
"""

import argparse
import gc
import importlib
import logging
import sys
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import NoReturn

from dragoman import __version__
from dragoman.cli.options import add_common
from dragoman.kit.errors import DragomanError, InvalidInput

DONE, FAILED, MISUSED = 0, 1, 2
_INTERRUPTED = 130
_DEFAULT_VERB = "serve"

# Verb: its module, and what the help says.
VERBS: dict[str, tuple[str, str]] = {
    "serve": ("dragoman.cli.serve", "start the server (the default)"),
    "work": ("dragoman.cli.work", "carry out background work only, beside serve --no-work"),
    "ingest": ("dragoman.cli.ingest", "put files into a collection"),
    "query": ("dragoman.cli.query", "ask the documents one question"),
    "chat": ("dragoman.cli.chat", "talk to a model or gateway"),
    "collections": ("dragoman.cli.collections", "list, create and delete collections"),
    "skills": ("dragoman.cli.skills", "list, create, delete, import and export skills"),
    "memories": ("dragoman.cli.memories", "list, create and delete what agents remember"),
    "channels": ("dragoman.cli.channels", "try out messaging services"),
    "mcp": ("dragoman.cli.mcp", "list, add, test and delete MCP servers"),
    "models": ("dragoman.cli.models", "list and test models"),
    "plugins": ("dragoman.cli.plugins", "list and run plugins"),
    "organisations": ("dragoman.cli.organisations", "create, list, export, import and remove organisations"),
    "users": ("dragoman.cli.users", "create, list, lock out and erase users"),
    "groups": ("dragoman.cli.groups", "put users of an organisation into groups"),
    "keys": ("dragoman.cli.keys", "create, list and revoke API keys"),
    "limits": ("dragoman.cli.limits", "set, list and remove limits on requests, tokens and money"),
    "usage": ("dragoman.cli.usage", "sum up what was used"),
    "audit": ("dragoman.cli.audit", "check, show, export and redact what was recorded"),
    "backup": ("dragoman.cli.backup", "save everything the server keeps in one file, while it runs"),
    "restore": ("dragoman.cli.restore", "make a data folder of a backup"),
    "config": ("dragoman.cli.config", "show the settings and where they come from"),
    "doctor": ("dragoman.cli.doctor", "check this machine, the data folder and the settings"),
    "openapi": ("dragoman.cli.openapi", "print a dialect's OpenAPI document"),
    "version": ("dragoman.cli.version", "say which version this is"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser that answers misuse with one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        self.exit(MISUSED, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser(words: Sequence[str]) -> Parser:
    """A parser for these words: every verb is known to it, those among the words in full."""
    parser = Parser(prog="dragoman", description="A self-hosted AI platform server.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"dragoman {__version__}")
    add_common(parser, top=True)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for name, (module, summary) in VERBS.items():
        sub = verbs.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
        )
        if name in words:
            _loaded(module).configure(sub)
    return parser


def _loaded(module: str) -> ModuleType:
    """The verb's module. What imports make stays for good, so looking for garbage meanwhile is a tenth of a start."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.enable()


def _starts_the_server(words: Sequence[str]) -> bool:
    """Whether the words are at most flags, none of them a verb's or one that asks for help."""
    if words and not words[0].startswith("-"):
        return False
    return not any(word in VERBS or word in ("-h", "--help", "--version") for word in words)


def main(words: Sequence[str] | None = None) -> int:
    """The exit code of one command; without a verb the server is started."""
    words = list(sys.argv[1:] if words is None else words)
    sys.excepthook = _in_one_line
    if _starts_the_server(words):
        words.insert(0, _DEFAULT_VERB)
    arguments = build_parser(words).parse_args(words)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except DragomanError as error:
        sys.stderr.write(f"dragoman: {error.detail}\n")
        return MISUSED if isinstance(error, InvalidInput) else FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has had enough; the interpreter must not try to flush it again.
        sys.stdout = None
        return FAILED
    return code


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Says an unforeseen error in one line; with ``DRAGOMAN_LOG__LEVEL=debug`` where it arose, too."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(
        f"dragoman: unexpected {kind.__name__}: {str(error).splitlines()[0] if str(error) else ''} "
        "(DRAGOMAN_LOG__LEVEL=debug shows where)\n"
    )
