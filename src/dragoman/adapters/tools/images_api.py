"""Pictures from an address that speaks OpenAI's images API."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import orjson

from dragoman.domain.tools.pages import PageReader
from dragoman.kit.errors import InvalidInput, ProviderError, QuotaExceeded, Unavailable

# Of the words of agents' settings to those of the API.
_QUALITIES = {"low": "low", "medium": "medium", "high": "high", "highest": "high"}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes and what they are."""

    data: bytes
    media_type: str

    @property
    def suffix(self) -> str:
        """The end of a file name for it."""
        return {"image/jpeg": ".jpg"}.get(self.media_type, "." + self.media_type.partition("/")[2])


@dataclass(frozen=True, slots=True)
class PictureWish:
    """What is asked for; with ``references`` the pictures are made after these."""

    prompt: str
    count: int
    quality: str
    model: str | None = None
    references: tuple[Picture, ...] = ()


def picture(data: bytes) -> Picture | None:
    """The bytes as a picture that browsers show; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Picture(data, "image/webp")
    return next((Picture(data, kind) for magic, kind in _MAGIC if data.startswith(magic)), None)


class ImagesApi:
    """The API at the operator's address.

    Args:
        client: guarded, for addresses out of the server's settings.
        pages: fetches pictures that the API gives by an address elsewhere.
        base_url: None = not configured; every call says so.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        pages: PageReader,
        *,
        base_url: str | None,
        key: str | None = None,
        model: str | None = None,
        size: str | None = None,
    ) -> None:
        self._client = client
        self._pages = pages
        self._base_url = base_url
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._model = model
        self._size = size

    async def make(self, wish: PictureWish) -> list[Picture]:
        """The pictures, at least one.

        Raises:
            Unavailable: not configured, or key and address are not right.
            InvalidInput: the API refuses the prompt.
            QuotaExceeded, ProviderError: it cannot make them now.
        """
        if self._base_url is None:
            raise Unavailable(
                "No pictures can be made: the operator sets images.base_url to an address that speaks OpenAI's images API.",
                code="images_unavailable",
            )
        fields = {"prompt": wish.prompt, "n": wish.count}
        fields |= {"model": wish.model or self._model} if wish.model or self._model else {}
        fields |= {"size": self._size} if self._size else {}
        call = self._edited if wish.references else self._generated
        response = await call({**fields, "quality": _QUALITIES[wish.quality]}, wish.references)
        if response.status_code == 400 and b"quality" in response.content:
            # Not every model has grades of quality.
            response = await call(fields, wish.references)
        made = [await self._picture(row) for row in _rows(_checked(response))]
        if not made:
            raise ProviderError("The images API sent no picture.", code="images_failed")
        return made[: wish.count]

    async def _generated(self, fields: dict[str, object], _: Sequence[Picture]) -> httpx.Response:
        return await self._sent(
            lambda: self._client.post(
                f"{self._base_url}/images/generations", json=fields, headers=self._headers
            )
        )

    async def _edited(self, fields: dict[str, object], references: Sequence[Picture]) -> httpx.Response:
        files = [
            ("image[]", (f"reference{number}{one.suffix}", one.data, one.media_type))
            for number, one in enumerate(references)
        ]
        data = {name: str(value) for name, value in fields.items()}
        return await self._sent(
            lambda: self._client.post(
                f"{self._base_url}/images/edits", data=data, files=files, headers=self._headers
            )
        )

    async def _sent(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        try:
            return await send()
        except httpx.HTTPError as error:
            raise ProviderError(
                f"The images API could not be reached ({type(error).__name__}).",
                retryable=True,
                code="images_failed",
            ) from error

    async def _picture(self, row: dict[str, object]) -> Picture:
        coded, url = row.get("b64_json"), row.get("url")
        if isinstance(coded, str):
            try:
                data = base64.b64decode(coded, validate=True)
            except (binascii.Error, ValueError) as error:
                raise ProviderError("The images API sent no base64.", code="images_failed") from error
        elif isinstance(url, str):
            data = await self._fetched(url)
        else:
            raise ProviderError("The images API sent neither b64_json nor url.", code="images_failed")
        made = picture(data)
        if made is None:
            raise ProviderError(
                "The images API sent something else than a PNG, JPEG, WebP or GIF.", code="images_failed"
            )
        return made

    async def _fetched(self, url: str) -> bytes:
        # The operator's word covers the API's own host and no other.
        if urlsplit(url)[:2] != urlsplit(self._base_url or "")[:2]:
            return (await self._pages.load(url)).file.data
        response = await self._sent(lambda: self._client.get(url))
        return _checked(response).content


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    status, said = response.status_code, _said(response)
    if status in (401, 403, 404):
        raise Unavailable(
            f"The images API refused (status {status}): the operator checks images.base_url, images.api_key and "
            f"images.model.{said}",
            code="images_refused",
        )
    if status == 429:
        raise QuotaExceeded(f"The images API makes no more pictures for now.{said}", code="images_quota")
    if status < 500:
        raise InvalidInput(f"The images API refused this picture.{said}", code="images_refused")
    raise ProviderError(
        f"The images API failed with status {status}.{said}", retryable=True, code="images_failed"
    )


def _said(response: httpx.Response) -> str:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return f" It says: {message[:300]}" if isinstance(message, str) else ""


def _rows(response: httpx.Response) -> list[dict[str, object]]:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        value = None
    rows = value.get("data") if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
