"""Who looks after an organisation: one of its administrators, or the server's operator."""

from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import Right, require
from dragoman.kit.errors import Forbidden
from dragoman.kit.jsontypes import JsonValue


@dataclass(frozen=True, slots=True)
class Steward:
    """For whose organisation something is done, and by whom.

    ``caller`` None is the operator: at the command line, or the person whose e-mail is ``operator``.
    """

    organisation_id: str
    caller: Caller | None = None
    operator: str | None = None

    @classmethod
    def of(cls, caller: Caller, right: Right = "manage") -> "Steward":
        """The caller as one who looks after their own organisation.

        Raises:
            Forbidden: the caller's role or key does not allow that.
        """
        if caller.key_kind != "private":
            raise Forbidden("A public key cannot administer an organisation.", code="public_key")
        require(caller, right)
        return cls(caller.organisation_id, caller)

    @property
    def is_owner(self) -> bool:
        """Whether owners may be made and changed."""
        return self.caller is None or self.caller.role == "owner"

    def note(self, connection: Connection, action: str, target: str, **details: JsonValue) -> None:
        """Writes down what was done; the last thing in a transaction."""
        if self.caller is None:
            person: dict[str, JsonValue] = {} if self.operator is None else {"operator": self.operator}
            audit.record_by_operator(
                connection, self.organisation_id, action, target, **{**details, **person}
            )
        else:
            audit.record(connection, self.caller, action, target, outcome="done", **details)
