"""Closing a listening socket so that nobody who was let in, or is just being let in, is reset.

A socket that closes resets what waits in its queue, and handshakes that are under way. So it first drops new
handshakes, which their clients begin again within a second, with another listener of the same port by then;
those under way end; then the queue is taken over.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
from typing import Final

SETTLE_S: Final = 0.02
_SO_ATTACH_FILTER: Final = 26  # Linux; not among the constants of `socket`
_SYN_AND_ACK: Final = 0x12
_SYN: Final = 0x02
# Classic BPF over the TCP header: its flags stand in byte 13; a lone SYN is dropped, all else is kept.
_DROP_NEW: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte
        (0x54, 0, 0, _SYN_AND_ACK),  # and
        (0x15, 0, 1, _SYN),  # equal? the next, else the one after
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # keep
    )
)


async def stop_listening(server: asyncio.Server) -> list[socket.socket]:
    """Close the server's listening sockets; the connections that nobody has accepted yet."""
    listening = [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
    for each in listening:
        _drop_new_handshakes(each)
    server.close()
    await asyncio.sleep(SETTLE_S)
    waiting = []
    for each in listening:
        each.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        with each, contextlib.suppress(BlockingIOError):
            while True:
                waiting.append(each.accept()[0])
    return waiting


def _drop_new_handshakes(listening: socket.socket) -> None:
    code = ctypes.create_string_buffer(_DROP_NEW, len(_DROP_NEW))
    program = struct.pack("HP", len(_DROP_NEW) // 8, ctypes.addressof(code))
    with contextlib.suppress(OSError):  # where it can't be had, a handshake in a thousand restarts is reset
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
