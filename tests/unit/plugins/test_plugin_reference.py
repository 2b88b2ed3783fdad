"""The pages on plugins say what is there, and the example of a plugin works."""

import re
from pathlib import Path

import pytest

from dragoman.domain.agents.plugins.model import PluginEvent
from dragoman.domain.agents.plugins.reference import reference
from dragoman.domain.agents.plugins.registry import PLUGINS, all_plugins
from dragoman.domain.messages.events import TextDelta

_DOCS = Path(__file__).parents[3] / "docs"


def test_the_reference_page_is_what_the_registry_says() -> None:
    page = (_DOCS / "reference" / "plugins.md").read_text("utf-8")
    assert page == reference(), "run: dragoman plugins reference > docs/reference/plugins.md"


class _Run:
    """As much of a run as the example uses."""

    def text(self, name: str) -> str:
        return "three small words" if name == "text" else ""


async def test_the_example_of_the_how_to_is_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    all_plugins()
    monkeypatch.setattr(PLUGINS, "_entries", dict(PLUGINS))
    page = (_DOCS / "how-to" / "add-a-plugin.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "example", "exec"), {"__name__": "example"})
    added = PLUGINS.get("count_words")
    assert added is not None
    events: list[PluginEvent] = [event async for event in added.work(_Run())]  # pyright: ignore[reportArgumentType]
    assert events[-1] == TextDelta("3 words.")
