"""Printing HTML as PDF, in a child process with bounds."""

from dragoman.adapters.tools.engine import engine
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool, ChildTimeout

_SECONDS = 60.0


class DocumentPrinter:
    """Prints documents in a pool of children, which its owner closes.

    Args:
        policy: which addresses a document may refer to.
    """

    def __init__(self, pool: ChildPool, policy: EgressPolicy) -> None:
        self._pool = pool
        self._policy = policy.for_child()

    async def pdf(self, html: str) -> bytes:
        """The document as PDF.

        Raises:
            InvalidInput: it cannot be laid out within bounds of time and memory.
            Unavailable: what prints is not installed; the message says what to install.
        """
        try:
            return await self._pool.call(printed_in_child, html, self._policy, timeout_seconds=_SECONDS)
        except (ChildTimeout, ChildCrashed) as error:
            raise InvalidInput(
                f"The document could not be printed. {error.detail}", code="document_too_large"
            ) from error


def printed_in_child(html: str, policy: EgressPolicy) -> bytes:
    """The document as PDF.

    Raises:
        Unavailable: a package or a library is not installed.
        InvalidInput: it cannot be laid out.
    """
    try:
        found = engine("printing", "Documents cannot be made")
    except OSError as error:
        raise Unavailable(
            "Documents cannot be made: the text libraries are not installed (on Debian: apt-get install libpango-1.0-0 "
            f"libpangoft2-1.0-0 libharfbuzz-subset0). {str(error)[:200]}",
            code="library_missing",
        ) from error
    try:
        return found.pdf(html, policy)
    except MemoryError:
        raise
    except Exception as error:
        # Documents are written by models; whatever the printer stumbles over, the model is told.
        raise InvalidInput(
            f"The document could not be printed ({type(error).__name__}: {str(error)[:300]}).",
            code="document_invalid",
        ) from error
