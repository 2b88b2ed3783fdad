"""Identifiers: time-ordered UUIDs for things, unguessable text for secrets."""

import os
import secrets
import time
import uuid


def uuid7() -> str:
    """A UUID version 7 as text: sorts by creation time to a quarter of a microsecond, 62 random bits."""
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    # Things that one request makes in a row must sort in the order in which they were made.
    fraction = (rest_ns << 12) // 1_000_000
    high = (milliseconds & 0xFFFFFFFFFFFF) << 16 | 0x7000 | fraction
    low = 0x8000000000000000 | int.from_bytes(os.urandom(8), "big") >> 2
    digits = f"{high << 64 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual written form, of any version."""
    if len(text) != 36:
        return False
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def api_key() -> str:
    """A new API key: 64 characters, ``sk-`` first, about 361 random bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "sk-" + "".join(secrets.choice(alphabet) for _ in range(61))
