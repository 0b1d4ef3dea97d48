"""The pages that people see instead of a redirect. Small, without outside resources, fit for a phone."""

import html
from typing import Final

_PAGE: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{text}</p>
</body>
</html>
"""


def render_page(title: str, text: str, *, language: str) -> bytes:
    """A page that says this, whatever looks like HTML in it. `language` is a tag of ours, "" for unknown."""
    plain = {"title": html.escape(title, quote=False), "text": html.escape(text, quote=False)}
    return _PAGE.format(language=language, **plain).encode()


def _page(title: str, text: str) -> bytes:
    return render_page(title, text, language="en")


NOT_FOUND_PAGE: Final = _page(
    "Nothing is here",
    "This link leads nowhere. Please check that you have all of it, exactly as it was sent to you.",
)
GONE_PAGE: Final = _page(
    "This link has expired",
    "It worked for a time, and that time is over. Please ask whoever sent it to you for a new one.",
)
UNAVAILABLE_PAGE: Final = _page(
    "Please try again in a moment",
    "We can't look this link up right now. The link itself is fine.",
)
TOO_MANY_MISSES_PAGE: Final = _page(
    "Too many links that lead nowhere",
    "From where you are, many links were tried that do not exist. Please try again in a moment.",
)
METHOD_NOT_ALLOWED_PAGE: Final = _page(
    "Links are for opening",
    "A short link answers to being opened (GET or HEAD), and to nothing else.",
)
BAD_REQUEST_PAGE: Final = _page(
    "This request can't be read",
    "What was sent here is not a web request in proper form.",
)
FAILED_PAGE: Final = _page(
    "Something went wrong here",
    "It is our fault, not yours. Please try again in a moment.",
)
