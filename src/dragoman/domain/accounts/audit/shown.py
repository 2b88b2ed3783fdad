"""An event as it is exported."""

from dragoman.domain.accounts.audit.chain import Event
from dragoman.kit.clock import iso


def shown(event: Event) -> dict[str, object]:
    """The event by names, with what proves its place in the chain."""
    told = event.told()
    return {
        "organisation": event.organisation_id,
        "number": event.number,
        "at": iso(event.at),
        "action": event.action,
        "outcome": event.outcome,
        "actor": told.get("actor"),
        "actor_id": told.get("actor_id"),
        "key": told.get("key"),
        "address": told.get("address"),
        "target": told.get("target"),
        "details": told.get("details"),
        "redacted": event.content is None,
        "content": event.content,
        "content_hash": event.content_hash,
        "previous": event.previous,
        "hash": event.hash,
    }
