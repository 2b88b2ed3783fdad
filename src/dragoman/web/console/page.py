"""The one page of the console. It holds nothing but the addresses of its files; all else comes over the API."""

from collections.abc import Mapping
from html import escape

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify"
)


def console_page(*, script: str, style: str, parts: Mapping[str, str]) -> str:
    """The page; ``parts`` are the addresses of scripts that are loaded when they are needed, by name."""
    named = "".join(f' data-{name}="{escape(address)}"' for name, address in parts.items())
    return (
        f'<!doctype html>\n<html lang="en"{named}>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Dragoman</title>\n'
        f'<link rel="stylesheet" href="{escape(style)}">\n<script src="{escape(script)}" defer></script>\n</head>\n'
        '<body>\n<div id="console"></div>\n'
        '<noscript><main class="entry"><h1>Dragoman</h1><p>The console needs JavaScript; everything it does '
        "can be done with the command line and the API as well.</p></main></noscript>\n</body>\n</html>\n"
    )
