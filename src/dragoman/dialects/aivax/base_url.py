"""The address of this server as clients see it."""

from fastapi import Request

from dragoman.dialects.aivax.auth import services_of


def base_url(request: Request) -> str:
    """Scheme, host and port, and what the operator put after them; without a slash at the end."""
    public = services_of(request).settings.server.public_url
    return public or f"{request.url.scheme}://{request.url.netloc}"
