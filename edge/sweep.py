"""Looks at all connections and closes the stalled ones, in slices, between which others are served.

To look at 11,000 connections takes 3 to 5 ms, most of it waiting for memory; to close 5,000 takes 60 ms, and
130 ms to close 1,000 in the middle of an answer, whose handlers have to end. A slice takes about 0.1 ms.
"""

import asyncio
from collections import OrderedDict
from typing import Final, Protocol, TypeVar

LOOKS_A_SLICE: Final = 200
LOOKS_A_CLOSE: Final = 25  # to close a connection takes as long as to look at so many
LOOKS_A_BUSY_CLOSE: Final = 200  # and to close one whose handler is at work as long as to look at these
BETWEEN_SLICES_S: Final = 0.001


class Connection(Protocol):
    """What a sweep asks of a connection."""

    def close_if_stalled(self, now: float) -> int:
        """Close at once where nothing has moved for too long; how many looks that took, 1 where it was one.

        `now` is the loop's time.
        """
        ...


AnyConnection = TypeVar("AnyConnection", bound=Connection)


async def sweep(connections: OrderedDict[AnyConnection, None], now: float) -> None:
    """Look at each connection once. Meanwhile some may come, at the end, and some go.

    Whoever was looked at goes to the end: a copy to walk over would take 0.4 ms at 11,000 connections, and
    keep the closed ones until all are freed at once.
    """
    looks = 0
    for _ in range(len(connections)):
        connection = next(iter(connections), None)
        if connection is None:
            return
        connections.move_to_end(connection)
        looks += connection.close_if_stalled(now)
        if looks >= LOOKS_A_SLICE:
            looks = 0
            await asyncio.sleep(BETWEEN_SLICES_S)
