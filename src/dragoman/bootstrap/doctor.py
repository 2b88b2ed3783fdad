"""What works here, what does not, and what to do about it: one finding for each thing that is looked at."""

import asyncio
import http.client
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dragoman.bootstrap.accounts import database_report, has_database, open_accounts, sqlite_report
from dragoman.bootstrap.extras import installed_extras
from dragoman.bootstrap.retrieval import embedder_report
from dragoman.bootstrap.sandboxes import sandbox_reports
from dragoman.kit.addresses import is_loopback_name, parse_address
from dragoman.kit.crypto import load_or_create_key
from dragoman.kit.egress import EgressPolicy, parse_url
from dragoman.kit.errors import DragomanError
from dragoman.kit.weights import KNOWN, locate, missing
from dragoman.settings import Settings

State = Literal["ok", "warning", "broken"]

_LEAST_PYTHON = (3, 11)
_BROKEN_BELOW_BYTES = 200 * 1024**2
_WARNING_BELOW_BYTES = 2 * 1024**3
_PROBE_SECONDS = 2
_SANDBOX_REMEDY = "install bubblewrap, or run the server where namespaces or Landlock are allowed"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``broken`` means that the server cannot do its work; ``remedy`` is what to do about it."""

    name: str
    state: State
    detail: str
    remedy: str | None = None


def findings(settings: Settings) -> list[Check]:
    """Every check in order. Takes seconds and blocks: not for the event loop."""
    return [check for look in CHECKS for check in look(settings)]


def _python(_settings: Settings) -> list[Check]:
    state: State = "ok" if sys.version_info >= _LEAST_PYTHON else "broken"
    return [Check("python", state, f"{platform.python_version()} on {platform.machine()}")]


def _sqlite(_settings: Settings) -> list[Check]:
    try:
        return [Check("sqlite", "ok", sqlite_report())]
    except DragomanError as error:
        return [Check("sqlite", "broken", error.detail)]


def _data_dir(settings: Settings) -> list[Check]:
    folder = settings.data_dir
    if folder.is_dir():
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            return [
                Check(
                    "data folder",
                    "broken",
                    f"{folder} cannot be written: {error.strerror}",
                    "give the folder to the user of the server, or name another: data_dir",
                )
            ]
        return [Check("data folder", "ok", f"{folder} can be written"), *_key_file(settings)]
    parent = _nearest_folder(folder)
    if folder.exists() or not os.access(parent, os.W_OK | os.X_OK):
        return [
            Check(
                "data folder",
                "broken",
                f"{folder} cannot be made in {parent}",
                "make it for the user of the server, or name another: data_dir",
            )
        ]
    return [Check("data folder", "ok", f"{folder} will be made at the first start")]


def _key_file(settings: Settings) -> list[Check]:
    if not settings.key_file.exists():
        return [Check("key file", "ok", "will be made at the first start")]
    try:
        load_or_create_key(settings.key_file)
    except DragomanError as error:
        return [Check("key file", "broken", error.detail)]
    return [Check("key file", "ok", f"{settings.key_file} is readable by its owner only")]


def _nearest_folder(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.is_dir())


def _disk(settings: Settings) -> list[Check]:
    folder = _nearest_folder(settings.data_dir)
    free = shutil.disk_usage(folder).free
    state: State = "ok"
    if free < _WARNING_BELOW_BYTES:
        state = "broken" if free < _BROKEN_BELOW_BYTES else "warning"
    remedy = None if state == "ok" else "free some space, or move the data folder: data_dir"
    return [Check("disk", state, f"{free / 1024**3:.1f} GiB free for {folder}", remedy)]


def _database(settings: Settings) -> list[Check]:
    if not has_database(settings):
        return [Check("database", "ok", "a SQLite file that will be made at the first start")]
    try:
        return [Check("database", "ok", asyncio.run(database_report(settings)))]
    except DragomanError as error:
        return [Check("database", "broken", error.detail)]


def _accounts(settings: Settings) -> list[Check]:
    if not has_database(settings):
        return []
    try:
        users = asyncio.run(_count_users(settings))
    except DragomanError as error:
        return [Check("accounts", "broken", error.detail)]
    if users == 0 and settings.bootstrap.email is None:
        return [Check("accounts", "warning", "no user yet", "dragoman users create --email YOU@EXAMPLE.ORG")]
    return [Check("accounts", "ok", f"{users} users")]


async def _count_users(settings: Settings) -> int:
    async with open_accounts(settings) as accounts:
        return len(await accounts.admin.users())


def _port(settings: Settings) -> list[Check]:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        version = _served_version(host, port)
        if version is None:
            return [
                Check(
                    "port",
                    "broken",
                    f"{host}:{port} cannot be listened on: {reason}",
                    "end what listens there, or choose another: server.port",
                )
            ]
        return [Check("port", "ok", f"{host}:{port} is served by dragoman {version}")]
    return [Check("port", "ok", f"{host}:{port} is free")]


def _served_version(host: str, port: int) -> str | None:
    """The version of the Dragoman that answers there, None when something else does."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared with, not bound
    connection = http.client.HTTPConnection(reached, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/version")
        answer = json.loads(connection.getresponse().read(4096))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if isinstance(answer, dict) and answer.get("name") == "dragoman":
        return str(answer.get("version"))
    return None


def _extras(_settings: Settings) -> list[Check]:
    checks: list[Check] = []
    for extra, absent in installed_extras().items():
        if not absent:
            checks.append(Check(f"[{extra}]", "ok", "installed"))
            continue
        names = ", ".join(absent)
        checks.append(
            Check(f"[{extra}]", "warning", f"not installed ({names})", f"pip install 'dragoman[{extra}]'")
        )
    return checks


def _weights(settings: Settings) -> list[Check]:
    folder = settings.weights_dir
    absent = missing(folder)
    if absent:
        detail = f"{len(absent)} of {len(KNOWN)} files are not in {folder}"
        return [Check("weights", "warning", detail, "run scripts/fetch-weights")]
    try:
        for file in KNOWN:
            locate(folder, file)
    except DragomanError as error:
        return [Check("weights", "broken", error.detail)]
    return [Check("weights", "ok", f"all {len(KNOWN)} files in {folder} are what they should be")]


def _egress(settings: Settings) -> list[Check]:
    allow = ", ".join(settings.egress.allow) or "nothing"
    mode = "offline" if settings.offline else "online"
    checks = [Check("egress", "ok", f"{mode}; let through though not public: {allow}")]
    policy = EgressPolicy.parse(settings.egress.allow, offline=settings.offline).for_operator()
    for name, provider in settings.models.providers.items():
        host = parse_url(provider.base_url).host
        address = parse_address(host)
        reachable = (
            policy.permits(address) if address else policy.allow.has_name(host) or is_loopback_name(host)
        )
        if settings.offline and not reachable:
            checks.append(
                Check(
                    "provider",
                    "warning",
                    f"{name} ({host}) is not called offline",
                    "let it through, if it is inside: egress.allow",
                )
            )
        else:
            where = "leaves" if provider.outside else "stays inside"
            checks.append(Check("provider", "ok", f"{name} ({host}); data sent to it {where}"))
    return checks


def _embedders(settings: Settings) -> list[Check]:
    if not has_database(settings):
        return []
    try:
        under_way, gone = asyncio.run(embedder_report(settings))
    except DragomanError as error:
        return [Check("embedder", "broken", error.detail)]
    checks = [
        Check(
            "embedder",
            "warning",
            f"{count} collections have vectors of {name}, which is not here: words alone are searched there",
            "name it under embedding.others, or wait until another has taken over",
        )
        for name, count in gone.items()
    ]
    if under_way:
        detail = f"{under_way} collections are on their way to another one: dragoman collections embedders"
        checks.append(Check("embedder", "ok", detail))
    return checks or [Check("embedder", "ok", "all vectors can be compared with questions")]


def _sandbox(settings: Settings) -> list[Check]:
    if not settings.data_dir.is_dir():
        return [Check("sandbox", "ok", "will be chosen at the first start")]
    reports = asyncio.run(sandbox_reports(settings))
    chosen = next((report.name for report in reports if report.reason is None), None)
    refused = "; ".join(f"{report.name}: {report.reason}" for report in reports if report.reason is not None)
    if chosen is None:
        detail = f"none, so no shell and no Python for agents ({refused})"
        return [Check("sandbox", "warning", detail, _SANDBOX_REMEDY)]
    state: State = "warning" if chosen == "simulated" else "ok"
    remedy = _SANDBOX_REMEDY if state == "warning" else None
    return [Check("sandbox", state, f"{chosen} is in force ({refused})", remedy)]


CHECKS: tuple[Callable[[Settings], list[Check]], ...] = (
    _python,
    _sqlite,
    _data_dir,
    _disk,
    _database,
    _accounts,
    _port,
    _extras,
    _weights,
    _egress,
    _embedders,
    _sandbox,
)
