"""The reference page of all plugins, made from the registry."""

from dragoman.domain.agents.plugins.model import Plugin, Writing
from dragoman.domain.agents.plugins.registry import all_plugins
from dragoman.domain.agents.plugins.template import template

_HEAD = """# Plugins

Ready-made pieces of work. Over HTTP they are run by the operations of the [Ask Sage dialect](asksage.md), on the command
line by `dragoman plugins run NAME --value FIELD=VALUE --file PATH`. `plugins.allowed`, `plugins.organisations` and
`plugins.paid_only` in the [settings](settings.md) say who may use which.

Texts, files and pages are given to a model as data, and it is told not to follow instructions in them. Charts and tables
are worked on in processes of their own, without network, within bounds of time and memory; these two need the extra
`tools`, speech needs `voice`.
"""
_WRITING: dict[Writing, str] = {
    "nothing": "none",
    "prose": "writes the text",
    "data": "gives data that other parts work on",
}


def reference() -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *(_section(plugin) for plugin in all_plugins())])


def _section(plugin: Plugin) -> str:
    spec = plugin.spec
    rows = [
        f"| `{field.name}` | {field.kind} | {'yes' if field.required else 'no'} | {field.description} |"
        for field in spec.fields
    ]
    lines = [
        f"## {spec.name}",
        "",
        spec.description,
        "",
        f"Title: {spec.title}. Category: {spec.category}. Language model: {_WRITING[spec.writing]}."
        + (" For paying users." if spec.for_paying else ""),
        "",
        "| field | kind | needed | meaning |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        "```text",
        template(spec),
        "```",
        "",
    ]
    return "\n".join(lines)
