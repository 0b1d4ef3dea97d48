"""CSV for spreadsheets: texts stay texts there, whoever wrote them (OWASP, CSV Injection; CWE-1236)."""

from collections.abc import Iterable
from typing import Final

# By which Excel knows that the file is in UTF-8.
BYTE_ORDER_MARK: Final = "\ufeff"
# A cell that begins so is a formula to a spreadsheet, or may become one.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def keep_texts(cells: Iterable[str]) -> list[str]:
    """The cells, with an apostrophe before each that a spreadsheet would take for a formula."""
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
