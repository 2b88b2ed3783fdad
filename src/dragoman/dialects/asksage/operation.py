"""Operations by name: what each takes, by which verbs, and the function that carries it out."""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from dragoman.dialects.asksage.decode import Field, Inputs
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.services import Services
from dragoman.kit.errors import InvalidInput, TooLarge

READ = frozenset({"GET", "POST"})
CHANGE = frozenset({"POST"})
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation. ``caller`` is None only for the operations that need no token."""

    request: Request
    services: Services
    inputs: Inputs
    caller_or_none: Caller | None
    values: Mapping[str, object]

    @property
    def caller(self) -> Caller:
        """The authenticated caller."""
        assert self.caller_or_none is not None
        return self.caller_or_none

    @property
    def address(self) -> str:
        """The client's network address as seen here."""
        return self.request.client.host if self.request.client else ""


Handler = Callable[[Call], Awaitable[Response | dict[str, object]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``sections`` says under which prefixes the published pages list it.

    ``stops``: its work ends when the client hangs up. ``in_body``: refusals are answered with HTTP 200 and tell
    their status in the body. ``auth_error_status`` goes before the setting.
    """

    name: str
    handler: Handler
    methods: frozenset[str]
    fields: tuple[Field, ...]
    public: bool
    sections: tuple[str, ...]
    stops: bool = False
    in_body: bool = False
    auth_error_status: int | None = None


OPERATIONS: dict[str, Operation] = {}


def operation(
    *names: str,
    methods: frozenset[str] = CHANGE,
    fields: tuple[Field, ...] = (),
    public: bool = False,
    sections: tuple[str, ...] = ("server",),
    stops: bool = False,
    in_body: bool = False,
    auth_error_status: int | None = None,
) -> Callable[[Handler], Handler]:
    """Registers a handler under its names; ``_`` and ``-`` are the same in a path."""

    def register(handler: Handler) -> Handler:
        made = Operation(
            names[0],
            handler,
            methods,
            fields,
            public,
            sections,
            stops=stops,
            in_body=in_body,
            auth_error_status=auth_error_status,
        )
        for name in names:
            OPERATIONS[name] = made
        return handler

    return register


def file_name(upload: UploadFile) -> str:
    """The name a client gave, without any folders."""
    name = (upload.filename or "").replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip()
    if not name or name in (".", ".."):
        raise InvalidInput("'file' needs a file name.", param="file")
    return name[:255]


async def saved(upload: UploadFile, folder: Path, *, maximum_bytes: int) -> Path:
    """The upload as a file of its own below a folder, copied in pieces.

    Raises:
        TooLarge: above the bound; nothing is left behind.
    """
    size = 0
    descriptor, name = await to_thread.run_sync(lambda: tempfile.mkstemp(dir=folder, prefix="upload-"))
    path = Path(name)
    file = await to_thread.run_sync(lambda: open(descriptor, "wb"))  # noqa: SIM115
    try:
        while piece := await upload.read(_COPY_BYTES):
            size += len(piece)
            if size > maximum_bytes:
                raise TooLarge(f"The file is larger than {maximum_bytes} bytes.", param="file")
            await to_thread.run_sync(file.write, piece)
    except BaseException:
        await to_thread.run_sync(path.unlink)
        raise
    finally:
        await to_thread.run_sync(file.close)
    return path
