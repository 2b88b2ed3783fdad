"""``dragoman doctor --offline``: what keeps the server offline, and what was attempted all the same."""

from dataclasses import asdict
from datetime import UTC, datetime

from dragoman.bootstrap.offline import OfflineReport, offline_report
from dragoman.cli.output import print_json
from dragoman.kit.offline import Attempt
from dragoman.settings import Settings

_SHOWN = 50


def show_offline(settings: Settings, *, as_json: bool) -> int:
    """Prints the report; 1 when something speaks against the promise."""
    report = offline_report(settings)
    if as_json:
        print_json({"holds": report.holds, **asdict(report)})
    else:
        print("\n".join(_lines(report)))
    return 0 if report.holds else 1


def _lines(report: OfflineReport) -> list[str]:
    on = "on" if report.offline else "off: set offline, or DRAGOMAN_OFFLINE=true"
    lines = [f"offline      {on}", f"let through  {', '.join(report.allow) or 'nothing but this machine'}"]
    lines += [
        f"guard        {way}: {'refused' if refused else 'NOT refused'}"
        for way, refused in report.probes.items()
    ]
    lines += [
        f"native       {native.host} ({native.setting}): {'inside' if native.inside else 'OUTSIDE'}"
        for native in report.natives
    ]
    lines.append(f"attempts     {len(report.attempts)} recorded")
    lines += [_line(attempt) for attempt in report.attempts[-_SHOWN:]]
    return lines


def _line(attempt: Attempt) -> str:
    when = datetime.fromtimestamp(attempt.at, UTC).isoformat(timespec="seconds")
    port = "" if attempt.port is None else f":{attempt.port}"
    return f"  {when} {attempt.verdict} {attempt.event} {attempt.host}{port} by {attempt.program} in {attempt.place}"
