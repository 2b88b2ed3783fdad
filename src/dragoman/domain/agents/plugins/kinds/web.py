"""The web: links that lead nowhere."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.links import CheckedLink, links_in
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import plugin
from dragoman.domain.messages.events import TextDelta
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

_MOST_LINKS = 200


def _described(link: CheckedLink) -> dict[str, JsonValue]:
    return {
        "url": link.url,
        "ok": link.good,
        "status": link.status,
        "final_url": link.final_url,
        "problem": link.problem,
    }


@plugin(
    PluginSpec(
        "check_links",
        "Check Links",
        "Web",
        "Calls every link in a text once and tells which lead nowhere. Needs no model.",
        (PluginField("content", "A text with links.", "textarea", required=True),),
        writing="nothing",
    )
)
async def check_links(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """A line for each link."""
    urls = links_in(run.text("content"))
    if not urls:
        raise InvalidInput("'content' holds no link that begins with http:// or https://.", param="content")
    if len(urls) > _MOST_LINKS:
        raise InvalidInput(
            f"'content' holds {len(urls)} links; at most {_MOST_LINKS} are checked.", param="content"
        )
    found: dict[str, CheckedLink] = {}
    async with aclosing(run.parts.links.check(urls)) as answers:
        async for link in answers:
            found[link.url] = link
            yield Progress(f"Checked {len(found)} of {len(urls)}.")
    links = [found[url] for url in urls]
    bad = [link for link in links if not link.good]
    yield Added({"links": [_described(link) for link in links], "checked": len(links), "broken": len(bad)})
    lines = [f"- {'OK' if link.good else 'BROKEN'} {link.url}{_detail(link)}" for link in links]
    yield TextDelta(f"{len(bad)} of {len(links)} links lead nowhere.\n\n" + "\n".join(lines))


def _detail(link: CheckedLink) -> str:
    if link.problem:
        return f": {link.problem}"
    return f" ({link.status}{f', now at {link.final_url}' if link.final_url else ''})"
