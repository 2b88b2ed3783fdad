"""Tags of languages."""

import re

_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


def is_language(tag: str) -> bool:
    """Whether it has the form of a BCP-47 tag."""
    return _TAG.fullmatch(tag) is not None


def base_language(tag: str) -> str:
    """``en`` of ``en-GB``."""
    return re.split("[-_]", tag, maxsplit=1)[0].lower()
