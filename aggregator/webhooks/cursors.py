"""How far the feeds have looked: a row a spool, and one of number 0, which no spool has, for links."""

from collections.abc import Mapping
from typing import Final

from ingest.contract import Warehouse

_LINKS: Final = 0


def move_click_cursors(warehouse: Warehouse, to: Mapping[int, tuple[int, int]]) -> None:
    """Number and time (Unix ms) of the last click that was looked at, by spool. Never moves back."""
    if to:
        warehouse.insert(
            "webhook_cursors",
            {
                "source": list(to),
                "seq": [seq for seq, _ in to.values()],
                "ts": [ts_ms for _, ts_ms in to.values()],
            },
            token=";".join(f"{source}:{seq}" for source, (seq, _) in to.items()),
        )


def read_link_cursor(warehouse: Warehouse) -> int | None:
    """Since when changes of links are news, in ms of `read_clock_ms`; None where nobody has looked yet."""
    rows = warehouse.query(
        "SELECT max(seq) FROM webhook_cursors WHERE source = {source:UInt64} HAVING count() > 0",
        {"source": _LINKS},
    )
    return int(rows[0][0]) if rows else None


def move_link_cursor(warehouse: Warehouse, since_ms: int) -> None:
    move_click_cursors(warehouse, {_LINKS: (since_ms, since_ms)})


def read_clock_ms(warehouse: Warehouse) -> int:
    """Unix ms by the warehouse's own clock, which says when a change of a link was stored."""
    ((clock_ms,),) = warehouse.query("SELECT toUnixTimestamp64Milli(now64(3))")
    return int(clock_ms)
