"""The back ends in their order, of which the first that holds is used."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from dragoman.adapters.sandboxes.probing import Probed, probe
from dragoman.domain.sandbox.ports import BackendReport, Sandbox
from dragoman.kit.errors import Unavailable

log = structlog.get_logger(__name__)

SIMULATED = "simulated"


class RankedSandboxes:
    """Chooses once, at the first use, by a self-test of escapes.

    Args:
        candidates: best first.
        base: where workspaces are.
        refused: back ends that are not even candidates, with the reason.
    """

    def __init__(
        self, candidates: Sequence[Probed], base: Path, refused: Sequence[BackendReport] = ()
    ) -> None:
        self._candidates = tuple(candidates)
        self._base = base
        self._refused = tuple(refused)
        self._choosing = asyncio.Lock()
        self._reports: list[BackendReport] | None = None
        self._chosen: Sandbox | None = None

    async def chosen(self) -> Sandbox:
        """The back end in force.

        Raises:
            Unavailable: none holds; says why.
        """
        async with self._choosing:
            if self._reports is None:
                self._reports = await self._choose()
        if self._chosen is None:
            reasons = "; ".join(f"{report.name}: {report.reason}" for report in self._reports)
            raise Unavailable(
                f"There is no sandbox on this server, so nothing can be run ({reasons}).",
                code="sandbox_unavailable",
            )
        return self._chosen

    async def reports(self) -> list[BackendReport]:
        """What is known of each back end, best first."""
        async with self._choosing:
            if self._reports is None:
                self._reports = await self._choose()
            return list(self._reports)

    async def _choose(self) -> list[BackendReport]:
        reports = list(self._refused)
        for sandbox in self._candidates:
            if self._chosen is not None:
                reports.append(BackendReport(sandbox.name, f"not needed: {self._chosen.name} is better"))
                continue
            reason = await probe(sandbox, self._base, real=sandbox.name != SIMULATED)
            reports.append(BackendReport(sandbox.name, reason))
            if reason is None:
                self._chosen = sandbox
        log.info(
            "sandbox.chosen",
            backend=self._chosen.name if self._chosen else None,
            refused={report.name: report.reason for report in reports if report.reason},
        )
        return reports
