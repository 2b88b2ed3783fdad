"""Addresses that a caller gives: those that plainly lead inside are refused when they are written."""

from dragoman.dialects.aivax.fields import at
from dragoman.domain.skills.model import SkillSource
from dragoman.kit.addresses import AllowList, is_disguised_address, is_loopback_name, is_public, parse_address
from dragoman.kit.egress import parse_url
from dragoman.kit.errors import InvalidInput


def refuse_inner(url: str, path: str, allow: AllowList) -> None:
    """Refuses what is no http(s) URL or plainly leads inside; the egress guard looks names up at use.

    Raises:
        InvalidInput: ``param`` is ``path``.
    """
    try:
        host = parse_url(url).host
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.detail}", param=path, code=error.code) from error
    if not _may_be_called(host, allow):
        raise InvalidInput(
            f"{path}: the address {host!r} may not be called from here; "
            "the operator can let it through in egress.allow.",
            param=path,
            code="egress_refused",
        )


def refuse_inner_sources(sources: tuple[SkillSource, ...], path: str, allow: AllowList) -> None:
    """The same for a skill's sources; ``path`` is that of their list.

    Raises:
        InvalidInput: ``param`` names the first such address.
    """
    for position, source in enumerate(sources):
        refuse_inner(source.url, at(f"{path}[{position}]", "url"), allow)


def _may_be_called(host: str, allow: AllowList) -> bool:
    if allow.has_name(host):
        return True
    literal = parse_address(host)
    if literal is not None:
        return allow.has_address(literal) or is_public(literal)
    return not (is_disguised_address(host) or (is_loopback_name(host) and not allow.networks))
