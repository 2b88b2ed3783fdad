"""A plugin as a prompt: ``[[Title]]`` and a line for each field, and back from such a prompt to the fields.

Fields of one line come first, so that a text of many lines may hold anything, even what looks like another field.
"""

import re
from collections.abc import Iterable

from dragoman.domain.agents.plugins.model import Plugin, PluginField, PluginSpec

_TAG = re.compile(r"\s*\[\[([^\[\]\n]{1,100})\]\]")


def ordered(spec: PluginSpec) -> list[PluginField]:
    """The fields as the prompt has them."""
    return sorted(spec.fields, key=lambda field: field.kind == "textarea")


def template(spec: PluginSpec) -> str:
    """The prompt with ``{field}`` where each field's value goes."""
    lines = [f"{field.name}: {{{field.name}}}" for field in ordered(spec)]
    return "\n".join([f"[[{spec.title}]]", *lines])


def pattern(spec: PluginSpec) -> str:
    """A regular expression that finds the fields in a filled prompt, each in a group of its name.

    It takes time in proportion to the text only, whatever the text is.
    """
    fields = ordered(spec)
    written = r"^\s*\[\[" + re.escape(spec.title).replace("\\ ", " ") + r"\]\]"
    for place, field in enumerate(fields):
        if field.kind != "textarea":
            group = rf"(?P<{field.name}>[^\n]*)"
        elif place == len(fields) - 1:
            group = rf"(?P<{field.name}>[\s\S]*)"
        else:
            group = rf"(?P<{field.name}>[\s\S]*?)"
        line = rf"\n{field.name}: ?{group}"
        written += line if field.required and field.kind != "file" else f"(?:{line})?"
    return written + "$"


def tag_of(prompt: str) -> str | None:
    """The title or name that a prompt begins with in double brackets."""
    found = _TAG.match(prompt)
    return found.group(1).strip() if found else None


def tagged(plugins: Iterable[Plugin], tag: str) -> Plugin | None:
    """The plugin of that title or name, in any case."""
    wanted = _folded(tag)
    return next((one for one in plugins if wanted in (_folded(one.spec.title), _folded(one.spec.name))), None)


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def fields_of(spec: PluginSpec, prompt: str) -> dict[str, str]:
    """The fields of a prompt that begins with the plugin's tag; what has no value is left out.

    A prompt without lines of fields is the value of the first field that is needed.
    """
    opening = _TAG.match(prompt)
    rest = prompt[opening.end() :] if opening else prompt
    found = re.match(pattern(spec), f"[[{spec.title}]]{rest.rstrip()}")
    if found is not None:
        given = {name: value.strip() for name, value in found.groupdict().items() if value is not None}
        return {name: value for name, value in given.items() if value and value != f"{{{name}}}"}
    first = next((field for field in spec.required if field.kind != "file"), None)
    if first is None:
        first = next((field for field in spec.fields if field.kind != "file"), None)
    return {first.name: rest.strip()} if first is not None and rest.strip() else {}
