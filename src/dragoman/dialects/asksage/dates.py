"""Moments as this dialect writes them."""

from email.utils import formatdate


def http_date(milliseconds: int) -> str:
    """A moment since 1970 in the form of HTTP, like ``Thu, 08 May 2025 21:42:04 GMT``."""
    return formatdate(milliseconds / 1000, usegmt=True)
