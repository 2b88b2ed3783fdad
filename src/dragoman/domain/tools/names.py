"""The names of the platform's own tools, by what switches them on: known before any tool is made."""

from collections.abc import Mapping

_NAMES: Mapping[str, tuple[str, ...]] = {
    "web_search": ("web_search",),
    "advanced_web_usage": ("advanced_web_search",),
    "open_url": ("open_url",),
    "code": ("evaluate_code",),
    "request": ("request",),
    "remember": ("memory_save", "memory_search", "memory_update", "memory_remove", "memory_clear"),
    "calendar": (
        "calendar_create",
        "calendar_search",
        "calendar_find",
        "calendar_update",
        "calendar_delete",
    ),
    "image_generation": ("generate_image",),
    "generate_document": ("generate_document",),
    "generate_web_page": ("generate_web_page",),
    "x_posts_search": ("x_posts_search",),
}


def builtin_names(switch: str) -> tuple[str, ...]:
    """The names of the tools that a switch of an agent's settings brings."""
    return _NAMES.get(switch, ())
