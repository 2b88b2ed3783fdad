"""Progress of long work: a bar on a terminal, plain lines elsewhere, JSON events when asked for."""

import sys
from typing import Protocol

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class IngestProgress(Protocol):
    """Takes what happens to documents."""

    def accepted(self, name: str, outcome: str) -> None:
        """A file was stored, or refused with the outcome's words."""
        ...

    def moved(self, *, done: int, failed: int, total: int, passages: int, embedded: int) -> None:
        """Where the whole batch stands."""
        ...

    def ended(self, name: str, state: str, detail: str | None, passages: int) -> None:
        """A document is indexed or has failed."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class PlainProgress:
    """One line for each thing that happened."""

    def accepted(self, name: str, outcome: str) -> None:
        """Prints refusals and what was new."""
        print(f"{outcome:>10}  {name}", flush=True)

    def moved(self, *, done: int, failed: int, total: int, passages: int, embedded: int) -> None:
        """Prints nothing: every document's own end is a line."""

    def ended(self, name: str, state: str, detail: str | None, passages: int) -> None:
        """Prints the end of one document."""
        reason = f": {detail}" if detail else f" ({passages} passages)"
        print(f"{state:>10}  {name}{reason}", flush=True)

    def close(self) -> None:
        """Prints nothing."""


class JsonProgress:
    """One JSON object a line."""

    def accepted(self, name: str, outcome: str) -> None:
        """An ``accepted`` event."""
        self._write({"event": "accepted", "name": name, "outcome": outcome})

    def moved(self, *, done: int, failed: int, total: int, passages: int, embedded: int) -> None:
        """A ``progress`` event."""
        self._write(
            {
                "event": "progress",
                "documents_done": done,
                "documents_failed": failed,
                "documents_total": total,
                "passages": passages,
                "passages_embedded": embedded,
            }
        )

    def ended(self, name: str, state: str, detail: str | None, passages: int) -> None:
        """An ``ended`` event."""
        self._write({"event": "ended", "name": name, "state": state, "detail": detail, "passages": passages})

    def close(self) -> None:
        """Writes nothing."""

    @staticmethod
    def _write(event: dict[str, object]) -> None:
        sys.stdout.write(orjson.dumps(event).decode() + "\n")
        sys.stdout.flush()


class BarProgress:
    """Two bars: documents done and passages embedded; failures are printed above them."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._documents: TaskID = self._bars.add_task("documents", total=None)
        self._passages: TaskID = self._bars.add_task("passages", total=None)
        self._bars.start()

    def accepted(self, name: str, outcome: str) -> None:
        """Shows refusals only."""
        if outcome == "refused":
            self._bars.console.print(f"refused  {name}", markup=False)

    def moved(self, *, done: int, failed: int, total: int, passages: int, embedded: int) -> None:
        """Moves the bars."""
        self._bars.update(self._documents, completed=done + failed, total=total)
        self._bars.update(self._passages, completed=embedded, total=passages or None)

    def ended(self, name: str, state: str, detail: str | None, passages: int) -> None:
        """Shows failures and warnings."""
        if state == "failed" or detail:
            self._bars.console.print(f"{state}  {name}: {detail}", markup=False)

    def close(self) -> None:
        """Leaves the bars as they are."""
        self._bars.stop()


def ingest_progress(*, json: bool) -> IngestProgress:
    """The progress that fits where the output goes."""
    if json:
        return JsonProgress()
    return BarProgress(Console(stderr=True)) if sys.stderr.isatty() else PlainProgress()
