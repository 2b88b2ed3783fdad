"""The conversations of this server, for the ways into a room."""

from fastapi import Request, WebSocket

from dragoman.domain.services import Services
from dragoman.domain.voice.calls import CallsService

DIALECT = "playground"


def calls_of(connection: Request | WebSocket) -> CallsService:
    """The service that the composition root gave to this application."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services.voice_calls
