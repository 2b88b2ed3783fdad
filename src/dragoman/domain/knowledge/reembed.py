"""Another embedder for a collection while it goes on answering: new vectors beside those in use, and a switch when all are there.

Vectors of two embedders are never in one space of the index, so that no question is compared with another embedder's vectors.
The work is a durable job that remembers each passage that has arrived: a process may be killed at any moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.db.jobs import JobHandler, RunLater, enqueue
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.roles import require
from dragoman.domain.inference.embed import DEFAULT, EmbedService
from dragoman.domain.inference.ports import Embedder, EmbedderProfile
from dragoman.domain.knowledge.embedding import embedded
from dragoman.domain.knowledge.indexing import Indexing
from dragoman.domain.knowledge.model import Collection, StoredPassage
from dragoman.domain.knowledge.repository import collections, reembeddings
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, DeadlineExceeded, InvalidInput, ProviderError, Unavailable
from dragoman.kit.jsontypes import JsonObject

log = structlog.get_logger(__name__)

REEMBED = "knowledge.reembed"
FORGET = "knowledge.forget_vectors"
_BATCH = 32
_WAIT_MS = 30_000
# A search that has read which embedder a collection has is long over by then.
_GRACE_MS = 60_000


@dataclass(frozen=True, slots=True)
class EmbedderState:
    """Whose vectors a collection has, and whose are on the way.

    ``embedder`` and ``next`` are names of embedders, None for none. ``available``: questions can be compared with the vectors
    there are; else words alone are searched. ``state``: ``settled``, ``running`` or ``waiting``, and ``detail`` says for what.
    """

    collection_id: str
    name: str
    embedder: str | None
    available: bool
    choice: str
    next: str | None
    state: str
    detail: str | None
    done: int
    total: int
    started_at: int | None


class Reembedding:
    """Starts, carries out and shows changes of collections' embedders.

    Args:
        wake: tells the job runner that there is work.
    """

    def __init__(
        self, *, database: Database, indexing: Indexing, embed: EmbedService, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._indexing = indexing
        self._embed = embed
        self._wake = wake

    def handlers(self) -> dict[str, JobHandler]:
        """What the job runner needs."""
        return {REEMBED: self._run, FORGET: self._forget}

    async def start(self, caller: Caller, collection_id: str, embedder: str | None) -> EmbedderState:
        """Gives the collection another embedder, by name; None or ``default`` = whatever the server's own is.

        Raises:
            NotFound: no such collection that the caller may change.
            InvalidInput: there is no embedder of that name here.
        """
        require(caller, "create")
        name = None if embedder in (None, DEFAULT) else embedder
        target = self._embed.named(name)
        if target is None:
            known = ", ".join(self._embed.profiles()) or "none"
            raise InvalidInput(
                f"There is no embedder {embedder or DEFAULT!r} here; there are: {known}.", param="embedder"
            )

        def begin(connection: Connection) -> EmbedderState:
            found = collections.get(connection, caller, collection_id, edit=True)
            if not self._embed.may_see(target.profile, found.label):
                raise InvalidInput(_barred(found), param="embedder", code="label_policy")
            reembeddings.lock(connection, found.key)
            reembeddings.choose(connection, found.key, name)
            found = collections.get(connection, caller, collection_id)
            self._begin(connection, found.key, found.embedder, target.profile)
            audit.record(connection, caller, "collection.reembedded", collection_id, embedder=name or DEFAULT)
            return self._states(connection, [found])[0]

        state = await self._database.write(begin)
        self._wake()
        return state

    async def cancel(self, caller: Caller, collection_id: str) -> EmbedderState:
        """Stops a change under way; the collection keeps the embedder it has, until it is told or the server is set otherwise.

        Raises:
            NotFound: no such collection that the caller may change.
            Conflict: no change is under way, or the embedder that it has is not here.
        """
        require(caller, "create")

        def stop(connection: Connection) -> EmbedderState:
            found = collections.get(connection, caller, collection_id, edit=True)
            reembeddings.lock(connection, found.key)
            way = reembeddings.under(connection, [found.key]).get(found.key)
            if way is None:
                raise Conflict(
                    "The collection is not on its way to another embedder.", code="not_reembedding"
                )
            here = {profile.fingerprint: name for name, profile in self._embed.profiles().items()}
            name = here.get(found.embedder or "")
            if name is None:
                raise Conflict(
                    "The embedder that the collection has is not here, so that it needs the other one.",
                    code="embedder_gone",
                )
            reembeddings.choose(connection, found.key, name)
            self._drop(connection, found.key, way.fingerprint)
            audit.record(connection, caller, "collection.reembedding_stopped", collection_id)
            return self._states(connection, [collections.get(connection, caller, collection_id)])[0]

        return await self._database.write(stop)

    async def states(self, caller: Caller) -> list[EmbedderState]:
        """How every collection that the caller may search stands."""

        def look(connection: Connection) -> list[EmbedderState]:
            return self._states(connection, collections.visible(connection, caller))

        return await self._database.read(look)

    async def state(self, caller: Caller, collection_id: str) -> EmbedderState:
        """How one collection stands.

        Raises:
            NotFound: no such collection for this caller.
        """

        def look(connection: Connection) -> EmbedderState:
            return self._states(connection, [collections.get(connection, caller, collection_id)])[0]

        return await self._database.read(look)

    async def summary(self) -> tuple[int, dict[str, int]]:
        """How many collections are under way; and, by the names of embedders not here, how many are searched by words alone."""

        def look(connection: Connection) -> tuple[int, dict[str, int]]:
            names, gone = reembeddings.names(connection), dict[str, int]()
            under_way, by_embedder = reembeddings.counts(connection)
            for fingerprint, collections_there in by_embedder.items():
                if self._embed.made_by(fingerprint) is None:
                    name = names.get(fingerprint, fingerprint)
                    gone[name] = gone.get(name, 0) + collections_there
            return under_way, gone

        return await self._database.read(look)

    async def catch_up(self) -> None:
        """At start: begins with collections whose embedder is not the one that they are to have by now."""

        def begin(connection: Connection) -> int:
            begun = 0
            for key, fingerprint, choice in reembeddings.embedded(connection):
                target = self._embed.named(choice)
                if target is not None and fingerprint != target.profile.fingerprint:
                    reembeddings.lock(connection, key)
                    begun += self._begin(connection, key, fingerprint, target.profile)
            return begun

        if begun := await self._database.write(begin):
            log.warning("knowledge.reembedding", collections=begun)
            self._wake()

    def _begin(
        self, connection: Connection, collection_key: int, live: str | None, target: EmbedderProfile
    ) -> bool:
        """Puts the collection on its way, unless there is nothing to do or it is already; True when it was put."""
        way = reembeddings.under(connection, [collection_key]).get(collection_key)
        if way is not None and way.fingerprint != target.fingerprint:
            self._drop(connection, collection_key, way.fingerprint)
        if live is None or live == target.fingerprint:
            return False
        begun = way is None or way.fingerprint != target.fingerprint
        if begun:
            reembeddings.begin(connection, collection_key, target.fingerprint, at=now_ms())
        enqueue(connection, REEMBED, str(collection_key), {"collection": collection_key})
        return begun

    def _drop(self, connection: Connection, collection_key: int, fingerprint: str) -> None:
        """Ends the way to an embedder; what has arrived is forgotten later."""
        reembeddings.forget(connection, collection_key)
        self._forget_later(connection, collection_key, fingerprint)

    @staticmethod
    def _forget_later(connection: Connection, collection_key: int, fingerprint: str) -> None:
        payload: JsonObject = {"collection": collection_key, "fingerprint": fingerprint}
        key = f"{collection_key}.{fingerprint}"
        enqueue(connection, FORGET, key[:200], payload, run_at=now_ms() + _GRACE_MS)

    def _states(self, connection: Connection, found: Sequence[Collection]) -> list[EmbedderState]:
        names = reembeddings.names(connection)
        for profile in self._embed.profiles().values():
            names.setdefault(profile.fingerprint, profile.name)
        ways = reembeddings.under(connection, [collection.key for collection in found])
        states: list[EmbedderState] = []
        for one in found:
            way = ways.get(one.key)
            done, total = reembeddings.progress(connection, one.key) if way is not None else (0, 0)
            states.append(
                EmbedderState(
                    collection_id=one.id,
                    name=one.name,
                    embedder=None if one.embedder is None else names.get(one.embedder, one.embedder),
                    available=one.embedder is None or self._embed.made_by(one.embedder) is not None,
                    choice=one.embedder_choice or DEFAULT,
                    next=None if way is None else names.get(way.fingerprint, way.fingerprint),
                    state="settled" if way is None else way.state,
                    detail=None if way is None else way.detail,
                    done=done,
                    total=total,
                    started_at=None if way is None else way.started_at,
                )
            )
        return states

    # Background work

    async def _run(self, payload: JsonObject) -> None:
        """Makes the vectors that are lacking, then switches.

        Raises:
            RunLater: the new embedder is not here or does not answer.
        """
        collection_key, after = int(str(payload["collection"])), 0
        while way := (await self._database.read(reembeddings.under, [collection_key])).get(collection_key):
            embedder = self._embed.made_by(way.fingerprint)
            collection = await self._database.read(collections.by_key, collection_key)
            if (
                embedder is not None
                and collection is not None
                and not self._embed.may_see(embedder.profile, collection.label)
            ):
                await self._put_off(collection_key, _barred(collection))
            if embedder is None:
                await self._put_off(collection_key, "The new embedder is not configured any more.")
            elif batch := await self._database.read(
                reembeddings.waiting, collection_key, after, limit=_BATCH
            ):
                await self._make(embedder, collection_key, batch)
                after = batch[-1].key
                if way.state != "running":
                    await self._database.write(reembeddings.note, collection_key, "running", None)
            elif after:
                after = 0  # once more from the beginning, for what came in meanwhile
            elif await self._database.write(self._switch, collection_key, way.fingerprint):
                log.info("knowledge.reembedded", collection=collection_key, embedder=way.fingerprint)

    async def _make(self, embedder: Embedder, collection_key: int, batch: Sequence[StoredPassage]) -> None:
        try:
            names, vectors = await embedded(self._database, embedder, batch)
        except (ProviderError, DeadlineExceeded, Unavailable) as error:
            await self._put_off(collection_key, error.detail)
            return
        await self._database.write(
            self._indexing.store_beside, batch, names, vectors, profile=embedder.profile, at=now_ms()
        )

    async def _put_off(self, collection_key: int, reason: str) -> None:
        log.warning("knowledge.reembedding_waits", collection=collection_key, reason=reason)
        await self._database.write(reembeddings.note, collection_key, "waiting", reason)
        raise RunLater(now_ms() + _WAIT_MS)

    def _switch(self, connection: Connection, collection_key: int, fingerprint: str) -> bool:
        """Makes the new embedder the collection's, unless something is lacking after all."""
        reembeddings.lock(connection, collection_key)
        collection = collections.by_key(connection, collection_key)
        way = reembeddings.under(connection, [collection_key]).get(collection_key)
        if collection is None or way is None or way.fingerprint != fingerprint:
            return False
        if reembeddings.waiting(connection, collection_key, 0, limit=1):
            return False
        reembeddings.take_over(connection, collection_key, fingerprint, at=now_ms())
        if collection.embedder is not None and collection.embedder != fingerprint:
            self._forget_later(connection, collection_key, collection.embedder)
        return True

    async def _forget(self, payload: JsonObject) -> None:
        """Removes vectors that no question is compared with any more."""
        collection_key, fingerprint = int(str(payload["collection"])), str(payload["fingerprint"])

        def remove(connection: Connection) -> None:
            reembeddings.lock(connection, collection_key)
            collection = collections.by_key(connection, collection_key)
            way = reembeddings.under(connection, [collection_key]).get(collection_key)
            wanted = {None if collection is None else collection.embedder, way.fingerprint if way else None}
            space = reembeddings.space(connection, fingerprint)
            if space is not None and fingerprint not in wanted:
                self._indexing.index.remove_vectors(connection, collection_key, space)

        await self._database.write(remove)


def _barred(collection: Collection) -> str:
    return f"The collection's label {collection.label} forbids to send its text to an embedder outside."
