"""An Idempotency-Key is one program's while that works, and another's within seconds where that died."""

import asyncio
import signal
import uuid
from contextlib import ExitStack

import pytest
from starlette.types import Receive, Scope, Send

from api.access.callers import Caller
from api.conventions import leases
from api.conventions.idempotency import Idempotency
from tests.api.conftest import NewProgram, RunningApi
from tests.api.processes import WITHIN_S

# A dead holder's lease ends after 10 s. Before there were leases, its key was refused for three minutes.
FOLLOWED_WITHIN_S = 90
STORE = "ingest.catalogue:Catalogue.add_codes"
RECIPIENTS = {"recipients": [{"recipient": f"+4477009{at:05}"} for at in range(100)]}


class Work:
    """An application that answers when it is told to, and the statuses that `Idempotency` sends."""

    def __init__(self, api: RunningApi, key: str) -> None:
        self.begun, self.may_end, self.was_broken_off = asyncio.Event(), asyncio.Event(), False
        self.statuses: list[int] = []
        self._key = key
        self._idempotency = Idempotency(self._answer, shared_state=api.shared_state)

    async def run(self) -> None:
        caller = Caller("acme", "key", "key_1", frozenset({"admin"}))
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/links",
            "query_string": b"",
            "headers": [(b"idempotency-key", self._key.encode())],
            "state": {"caller": caller},
        }
        await self._idempotency(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(int(str(message["status"])))

    async def _answer(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_broken_off = True
            raise
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"made"})


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that are often renewed, and end only where they are ended."""
    monkeypatch.setattr(leases, "RENEWAL_S", 0.01)
    monkeypatch.setattr(leases, "LEASE_S", WITHIN_S)
    monkeypatch.setattr(leases, "BROKEN_OFF_AFTER_S", WITHIN_S)


async def lease_ms(api: RunningApi) -> int:
    """How long the only lease goes on if nobody renews it."""
    (key,) = await api.shared_state._redis.keys("idempotency:*")
    return int(await api.shared_state._redis.pttl(key))


@pytest.mark.usefixtures("long_leases")
async def test_work_of_any_length_keeps_its_key(api: RunningApi) -> None:
    key = uuid.uuid4().hex
    work, rival = Work(api, key), Work(api, key)
    running = asyncio.create_task(work.run())
    await work.begun.wait()
    for _ in range(3):
        left_ms = await lease_ms(api)
        while (now_ms := await lease_ms(api)) <= left_ms:  # until it was renewed
            left_ms = now_ms
    await rival.run()
    assert (rival.statuses, rival.begun.is_set()) == ([409], False)
    work.may_end.set()
    await running
    await rival.run()
    assert (work.statuses, rival.statuses) == ([201], [409, 201])
    assert not rival.begun.is_set(), "it was told what the first one did"


@pytest.mark.usefixtures("long_leases")
async def test_work_whose_key_may_be_anothers_by_now_is_broken_off(api: RunningApi) -> None:
    key = uuid.uuid4().hex
    work, rival = Work(api, key), Work(api, key)
    running = asyncio.create_task(work.run())
    await work.begun.wait()
    # As if the program had stood still until its lease had ended.
    await api.shared_state._redis.delete(*await api.shared_state._redis.keys("idempotency:*"))
    rival.may_end.set()
    await rival.run()
    await running
    assert (work.was_broken_off, work.statuses) == (True, [503])
    assert rival.statuses == [201]
    await rival.run()
    assert rival.statuses == [201, 201], "what the rival did stands"


async def test_work_is_broken_off_before_its_lease_ends_where_it_cannot_be_renewed(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEWAL_S", WITHIN_S)
    monkeypatch.setattr(leases, "BROKEN_OFF_AFTER_S", 0.1)
    work = Work(api, uuid.uuid4().hex)
    await work.run()
    assert (work.was_broken_off, work.statuses) == (True, [503])


async def test_a_killed_programs_key_is_free_within_seconds(new_program: NewProgram) -> None:
    with ExitStack() as stack:
        survivor, mortal = new_program(), new_program()
        survivor_process, mortal_process = survivor.fork(), mortal.fork("before", STORE, "1", "SIGKILL")
        for program, process in ((survivor, survivor_process), (mortal, mortal_process)):
            stack.callback(process.kill)
            await asyncio.to_thread(program.wait_until_ready, process.is_alive)
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        async with survivor.connect() as client, mortal.connect() as doomed:
            link = {"destination_url": "https://www.example.com/"}
            link_id = (await client.post("/v1/links", json=link)).raise_for_status().json()["id"]
            path = f"/v1/links/{link_id}/recipients"
            first = asyncio.create_task(doomed.post(path, json=RECIPIENTS, headers=headers))
            await asyncio.to_thread(mortal_process.join, WITHIN_S)
            assert mortal_process.exitcode == -signal.SIGKILL
            await asyncio.gather(first, return_exceptions=True)
            answer = await client.post(path, json=RECIPIENTS, headers=headers)
            async with asyncio.timeout(FOLLOWED_WITHIN_S):
                while answer.status_code == 409:
                    await asyncio.sleep(0.2)
                    answer = await client.post(path, json=RECIPIENTS, headers=headers)
        assert len(answer.raise_for_status().json()["data"]) == len(RECIPIENTS["recipients"])
