"""Addresses that a caller gives: those that plainly lead inside are refused when they are written."""

from dragoman.dialects.aivax.fields import at
from dragoman.domain.skills.model import SkillSource
from dragoman.kit.addresses import AllowList
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import InvalidInput


def refuse_inner(url: str, path: str, allow: AllowList) -> None:
    """Refuses what is no http(s) URL or plainly leads inside; the egress guard looks names up at use.

    Raises:
        InvalidInput: ``param`` is ``path``.
    """
    try:
        EgressPolicy(allow).refuse_plainly_inner(url)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.detail}", param=path, code=error.code) from error


def refuse_inner_sources(sources: tuple[SkillSource, ...], path: str, allow: AllowList) -> None:
    """The same for a skill's sources; ``path`` is that of their list.

    Raises:
        InvalidInput: ``param`` names the first such address.
    """
    for position, source in enumerate(sources):
        refuse_inner(source.url, at(f"{path}[{position}]", "url"), allow)
