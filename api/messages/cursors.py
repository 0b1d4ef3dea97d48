"""Cursors of pages that are ordered by id: the last id of a page, made opaque. Pure."""

import base64
import binascii

from ingest.contract import CursorError


def cursor_after(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode("ascii")).decode("ascii").rstrip("=")


def read_cursor(cursor: str | None) -> str:
    """The id behind which the page begins, empty for the first one. Raises `CursorError`."""
    if cursor is None:
        return ""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (ValueError, binascii.Error):
        raise CursorError("the cursor is not one that a page ended with") from None
