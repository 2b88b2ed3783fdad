"""Answers as HTML for browsers without scripts. What a model writes stays text: no HTML of its own, no pictures from elsewhere."""

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

_MARK = re.compile(r"\[(\d{1,3})\]")
_AWAY = 'target="_blank" rel="noopener noreferrer nofollow"'


class Markup:
    """Renders Markdown."""

    def __init__(self) -> None:
        # This preset takes no HTML, and no addresses that could run.
        self._markdown = MarkdownIt("js-default", {"breaks": True})
        self._markdown.add_render_rule("text", _text)
        self._markdown.add_render_rule("image", _picture)
        self._markdown.add_render_rule("link_open", _link)

    def answer(self, text: str, numbers: Sequence[str], passages: str) -> str:
        """The text as HTML; the marks of these passages lead to where they are shown, below an address."""
        env: dict[str, Any] = {"numbers": set(numbers), "passages": passages}
        tokens = self._markdown.parse(text, env)
        for token in tokens:
            if token.type in ("heading_open", "heading_close"):
                # The page's own title stands above them.
                token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
        return str(self._markdown.renderer.render(tokens, self._markdown.options, env))


def _text(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    place: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    def link(mark: re.Match[str]) -> str:
        if mark[1] not in env["numbers"]:
            return mark[0]
        return f'<a href="{escape(env["passages"])}/{mark[1]}">{mark[0]}</a>'

    return _MARK.sub(link, escape(tokens[place].content))


def _picture(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    place: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    """A picture is a link: whoever made the page would learn of every reader."""
    address = str(tokens[place].attrGet("src") or "")
    return f'<a href="{escape(address)}" {_AWAY}>{escape(tokens[place].content or address)}</a>'


def _link(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    place: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    return f'<a href="{escape(str(tokens[place].attrGet("href") or ""))}" {_AWAY}>'
