"""``dragoman config``."""

import argparse

import orjson

from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json
from dragoman.settings import Settings, every_field
from dragoman.settings.reference import reference


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``show`` and ``reference``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = add_action(actions, "show", "show every setting; secrets are masked")
    show.add_argument("--origin", action="store_true", help="say where each value comes from")
    show.set_defaults(run=_show)
    add_action(actions, "reference", "describe every setting, as Markdown").set_defaults(run=_reference)


def _show(arguments: argparse.Namespace) -> int:
    loaded = read_settings(arguments)
    rows = loaded.shown()
    if arguments.json:
        print_json([{"name": row.name, "value": row.value, "origin": row.origin} for row in rows])
        return 0
    if loaded.file is not None:
        print(f"# settings file: {loaded.file}")
    for row in rows:
        line = f"{row.name} = {'unset' if row.value is None else orjson.dumps(row.value).decode()}"
        print(f"{line}  # {row.origin}" if arguments.origin else line)
    return 0


def _reference(arguments: argparse.Namespace) -> int:
    if arguments.json:
        fields = every_field(Settings)
        print_json(
            [
                {"name": field.name, "variable": field.variable, "description": field.info.description}
                for field in fields
            ]
        )
    else:
        print(reference(), end="")
    return 0
