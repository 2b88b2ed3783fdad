"""Time as whole milliseconds since 1970 (UTC), the form the database keeps."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def iso(milliseconds: int) -> str:
    """ISO-8601 in UTC with ``Z`` and millisecond precision."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(milliseconds: int) -> str:
    """The form of HTTP headers: ``Thu, 08 May 2025 21:42:04 GMT``."""
    return format_datetime(datetime.fromtimestamp(milliseconds // 1000, UTC), usegmt=True)
