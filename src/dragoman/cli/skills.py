"""``dragoman skills``."""

import argparse
import asyncio
import sys
from pathlib import Path

from dragoman.bootstrap.services import open_services
from dragoman.cli.options import add_action, read_settings
from dragoman.cli.output import print_json, print_table
from dragoman.cli.whose import add_email, caller_for
from dragoman.dialects.aivax.skill_lines import read_file, write_line
from dragoman.domain.skills.files import read_folder, write_folder
from dragoman.domain.skills.model import ImportDone, Skill, SkillDraft
from dragoman.kit.addresses import AllowList
from dragoman.kit.clock import iso
from dragoman.kit.errors import InvalidInput
from dragoman.settings import Settings

_COLUMNS = ("id", "slug", "description", "tools", "updated_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds ``list``, ``create``, ``delete``, ``import`` and ``export``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_action(actions, "list", "list a user's skills")
    create = add_action(actions, "create", "make a skill out of a file of instructions")
    create.add_argument("slug", metavar="SLUG")
    create.add_argument("file", metavar="FILE", type=Path)
    create.add_argument("--description", metavar="TEXT", help="when an agent should open it")
    create.add_argument("--tool", metavar="NAME", action="append", default=[], help="a tool that it may use")
    delete = add_action(actions, "delete", "delete a skill")
    delete.add_argument("slug", metavar="SLUG", help="slug or id")
    load = add_action(
        actions, "import", "make and change skills by a file of JSON lines or a folder of SKILL.md files"
    )
    load.add_argument("file", metavar="PATH", type=Path)
    export = add_action(actions, "export", "print all skills as JSON lines, or write them as SKILL.md files")
    export.add_argument(
        "folder", metavar="DIR", type=Path, nargs="?", help="folder to write SKILL.md files into"
    )
    verbs = ((listing, _list), (create, _create), (delete, _delete), (load, _import), (export, _export))
    for action, run in verbs:
        add_email(action)
        action.set_defaults(run=run)


def _shown(skill: Skill) -> dict[str, object]:
    return {
        "id": skill.id,
        "slug": skill.draft.slug,
        "description": skill.draft.description,
        "tools": len(skill.draft.allowed_tools),
        "updated_at": iso(skill.updated_at),
    }


async def _all(settings: Settings, email: str | None) -> list[Skill]:
    async with open_services(settings) as services:
        return await services.skills.select(await caller_for(services, email))


def _list(arguments: argparse.Namespace) -> int:
    rows = [_shown(one) for one in asyncio.run(_all(read_settings(arguments).settings, arguments.email))]
    if arguments.json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)
    return 0


def _create(arguments: argparse.Namespace) -> int:
    try:
        instructions = arguments.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{arguments.file} cannot be read as text: {error}") from error
    if not instructions.strip():
        raise InvalidInput(f"{arguments.file} holds no instructions.")
    tools = tuple(dict.fromkeys(arguments.tool))
    draft = SkillDraft(arguments.slug, instructions, arguments.description, (), tools)
    row = _shown(asyncio.run(_created(read_settings(arguments).settings, arguments.email, draft)))
    if arguments.json:
        print_json(row)
    else:
        print(f"created skill {row['slug']} (id {row['id']})")
    return 0


async def _created(settings: Settings, email: str | None, draft: SkillDraft) -> Skill:
    async with open_services(settings) as services:
        return await services.skills.create(await caller_for(services, email), draft)


def _delete(arguments: argparse.Namespace) -> int:
    slug = asyncio.run(_deleted(read_settings(arguments).settings, arguments))
    if arguments.json:
        print_json({"deleted": slug})
    else:
        print(f"deleted skill {slug}")
    return 0


async def _deleted(settings: Settings, arguments: argparse.Namespace) -> str:
    async with open_services(settings) as services:
        caller = await caller_for(services, arguments.email)
        found = await services.skills.named(caller, [arguments.slug])
        if not found:
            raise InvalidInput(
                f"There is no skill {arguments.slug!r}; 'dragoman skills list' shows those there are."
            )
        await services.skills.delete(caller, found[0].id)
        return found[0].draft.slug


def _import(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    try:
        if arguments.file.is_dir():
            drafts = read_folder(arguments.file)
        else:
            drafts = read_file(arguments.file, AllowList.parse(settings.egress.allow))
    except OSError as error:
        raise InvalidInput(f"{arguments.file} cannot be read: {error.strerror}.") from error
    done = asyncio.run(_imported(settings, arguments.email, drafts))
    if arguments.json:
        print_json({"stored": done.stored, "skipped": done.skipped})
    else:
        print(f"{done.stored} stored, {done.skipped} skipped")
    return 0


async def _imported(settings: Settings, email: str | None, drafts: list[SkillDraft]) -> ImportDone:
    async with open_services(settings) as services:
        return await services.skills.import_all(await caller_for(services, email), drafts)


def _export(arguments: argparse.Namespace) -> int:
    skills = asyncio.run(_all(read_settings(arguments).settings, arguments.email))
    if arguments.folder is None:
        for skill in skills:
            sys.stdout.write(write_line(skill).decode())
        return 0
    written = write_folder(skills, arguments.folder)
    if arguments.json:
        print_json([str(path) for path in written])
    else:
        print(f"{len(written)} skills written to {arguments.folder}")
    return 0
