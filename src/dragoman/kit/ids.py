"""Identifiers: time-ordered UUIDs for things, unguessable text for secrets."""

import os
import secrets
import time
import uuid


def uuid7() -> str:
    """A UUID version 7 as text: sorts by creation time to the millisecond, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
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
