"""What axe-core, which is kept beside this file, finds wrong on a page: rules of WCAG 2.2 AA and good practice."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.browser.chromium import Page

_SCRIPT = Path(__file__).parent / "axe_core" / "axe.min.js"
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def _script() -> str:
    return _SCRIPT.read_text(encoding="utf-8")


async def violations(page: Page, frame: str | None = None) -> list[str]:
    """One line for each element that breaks a rule; none when all is well.

    Args:
        frame: part of the address of the frame to look at, in place of the page.
    """
    world = await page.world(frame)
    await page.run(f"{_script()};0", world=world)
    options = json.dumps(
        {"runOnly": {"type": "tag", "values": _TAGS}, "resultTypes": ["violations"], "iframes": False}
    )
    found: dict[str, Any] = await page.run(
        f"axe.run(document, {options}).then((found) => ({{broken: found.violations, kept: found.passes.length}}))",
        world=world,
    )
    assert found["kept"], "axe found nothing to look at"
    return [
        f"{rule['id']}: {node['target']}: {node['failureSummary']}"
        for rule in found["broken"]
        for node in rule["nodes"]
    ]
