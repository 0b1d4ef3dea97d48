"""The messages that wait for the gateway, by their ids: the texts stay in the warehouse until then."""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OWNER_FILE: Final = "messages.owner"
MESSAGES_A_RUN: Final = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one tenant that are handed over together; `attempt` counts from 1."""

    tenant: str
    ids: Sequence[str]
    attempt: int = 1


class MessageQueue:
    """First in, first out for each tenant, and tenants in turns. Belongs to one event loop.

    Without an `owner` there is no gateway: nothing waits.
    """

    def __init__(self, owner: str) -> None:
        self.owner: Final = owner
        self._runs: dict[str, deque[Run]] = {}
        self._waiting = 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many messages wait."""
        return self._waiting

    def put(self, tenant: str, ids: Sequence[str], attempt: int = 1) -> None:
        if not self.owner:
            return
        runs = self._runs.setdefault(tenant, deque())
        for at in range(0, len(ids), MESSAGES_A_RUN):
            runs.append(Run(tenant, ids[at : at + MESSAGES_A_RUN], attempt))
        self._waiting += len(ids)
        self._news.set()

    async def take(self) -> Run:
        """The next tenant's next messages as one run, as soon as there are any."""
        while not self._runs:
            self._news.clear()
            await self._news.wait()
        tenant = next(iter(self._runs))
        runs = self._runs.pop(tenant)
        first = runs.popleft()
        ids = list(first.ids)
        while runs and runs[0].attempt == first.attempt and len(ids) + len(runs[0].ids) <= MESSAGES_A_RUN:
            ids += runs.popleft().ids
        if runs:
            self._runs[tenant] = runs  # behind the others
        self._waiting -= len(ids)
        return Run(tenant, ids, first.attempt)


def read_owner(data_dir: Path) -> str:
    """The name under which messages of this data folder wait, the same in every life; made at the first."""
    path = data_dir / OWNER_FILE
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        owner = secrets.token_hex(8)
        data_dir.mkdir(parents=True, exist_ok=True)
        newborn = path.with_name(f".{OWNER_FILE}.{owner}")
        newborn.write_text(owner + "\n", "ascii")
        newborn.rename(path)
        return owner
