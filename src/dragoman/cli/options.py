"""What all verbs share: the flags that choose the settings, and reading the settings."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from dragoman.kit.logs import LogLevel, configure_logging
from dragoman.settings import LoadedSettings, load_settings


def add_common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """Adds ``--data`` and ``--config``, which may stand before the verb or after it."""
    absent = None if top else argparse.SUPPRESS
    parser.add_argument("--data", metavar="DIR", type=Path, default=absent, help="the data folder")
    parser.add_argument("--config", metavar="FILE", type=Path, default=absent, help="the settings file")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    """A parser for ``dragoman VERB name``, with the common flags and ``--json``."""
    parser = actions.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    add_common(parser)
    add_json(parser)
    return parser


def read_settings(
    arguments: argparse.Namespace, flags: Mapping[str, object] | None = None, *, quiet: bool = True
) -> LoadedSettings:
    """The settings under the common flags and the given ones; logging is set up by them.

    Args:
        flags: further flags by the dotted name of the setting.
        quiet: log warnings and errors only, in a form for the eye, unless the level is ``debug``: for verbs
            that end at once.

    Raises:
        InvalidInput: the settings cannot be used.
    """
    loaded = load_settings(flags={"data_dir": arguments.data, **(flags or {})}, config=arguments.config)
    log = loaded.settings.log
    level: LogLevel = "warning" if quiet and log.level == "info" else log.level
    configure_logging(level, "console" if quiet else log.format)
    return loaded
