"""A record of the spool as a line: CRC-32 as 8 hex digits, a space, the JSON, a newline (`edge/spool.py`)."""

from typing import Final

from isal.isal_zlib import crc32

MAX_LINE_BYTES: Final = 1024 * 1024
PREFIX_BYTES: Final = len(b"00000000 ")
FRAME_BYTES: Final = PREFIX_BYTES + len(b"\n")

_HEX: Final = [b"%02x" % byte for byte in range(256)]


def frame(json: bytes) -> bytes:
    """The record's line. `json` has no newline and is at most `MAX_LINE_BYTES` less 10 bytes."""
    if len(json) > MAX_LINE_BYTES - FRAME_BYTES:
        raise ValueError(f"a record of {len(json)} bytes does not fit the spool's {MAX_LINE_BYTES}")
    crc = crc32(json)
    return b"%b%b%b%b %b\n" % (
        _HEX[crc >> 24],
        _HEX[crc >> 16 & 255],
        _HEX[crc >> 8 & 255],
        _HEX[crc & 255],
        json,
    )


def unframe(line: bytes) -> bytes | None:
    """The JSON of a line without its newline; None where it does not check."""
    json = line[PREFIX_BYTES:]
    return json if line[:PREFIX_BYTES] == b"%08x " % crc32(json) else None
