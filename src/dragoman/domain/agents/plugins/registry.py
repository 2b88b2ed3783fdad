"""The plugins there are, by name."""

from collections.abc import Callable

from dragoman.domain.agents.plugins.model import Plugin, PluginField, PluginSpec, PluginWork
from dragoman.kit.registry import Registry

PLUGINS: Registry[Plugin] = Registry("plugin")
_KINDS = "dragoman.domain.agents.plugins.kinds"


def plugin(spec: PluginSpec) -> Callable[[PluginWork], PluginWork]:
    """Registers the function that carries the plugin out.

    Raises:
        ValueError: the name is taken, or two fields have one name.
    """
    names = [field.name for field in spec.fields]
    if len(set(names)) != len(names):
        raise ValueError(f"the plugin {spec.name!r} has two fields of one name")

    def register(work: PluginWork) -> PluginWork:
        PLUGINS.add(spec.name, Plugin(spec, work))
        return work

    return register


def all_plugins() -> list[Plugin]:
    """Every plugin, sorted by name."""
    PLUGINS.discover(_KINDS)
    return [found for _, found in PLUGINS]


FILE = PluginField("file", "The file to work on.", "file", required=True)
