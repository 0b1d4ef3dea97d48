"""Asks a program on its metrics port whether it is ready."""

import asyncio
import json
from typing import Final

_TIMEOUT_S: Final = 2.0


async def reasons_not_ready(host: str, port: int) -> str | None:
    """None when `/readyz` answers 200, else why not, for people."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return _read_answer(await _get(host, port))
    except (OSError, TimeoutError):
        return "starting"


async def _get(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host.strip("[]"), port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


def _read_answer(answer: bytes) -> str | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return None
    try:
        reasons = json.loads(body)["reasons"]
    except (ValueError, KeyError, TypeError):
        return "starting"
    return ", ".join(f"{name}: {reason}" for name, reason in reasons.items())
