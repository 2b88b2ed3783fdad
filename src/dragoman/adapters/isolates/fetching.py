"""What scripts of workers fetch, through the guarded client."""

import httpx

from dragoman.domain.sandbox.ports import Fetch, WebRequest, WebResponse
from dragoman.kit.errors import InvalidInput, ProviderError

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "host",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "proxy-authorization",
    }
)


def guarded_fetch(client: httpx.AsyncClient) -> Fetch:
    """Sends requests through the client, whose bounds on addresses, size and time hold."""

    async def fetch(request: WebRequest) -> WebResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            response = await client.request(
                request.method,
                request.url,
                headers=headers,
                content=request.body or None,
                follow_redirects=True,
            )
        except httpx.InvalidURL as error:
            raise InvalidInput("This is not a URL.", code="invalid_url") from error
        except httpx.HTTPError as error:
            raise ProviderError(
                f"The address could not be reached ({type(error).__name__}).", code="fetch_failed"
            ) from error
        return WebResponse(response.status_code, dict(response.headers), response.content)

    return fetch
