"""`Idempotency-Key` on POST (draft-ietf-httpapi-idempotency-key-header-07): the same key, the same answer.

An answer that succeeded is kept for `KEPT_S` with a fingerprint of its request; what failed changed nothing
and may be tried again. Who carries a request out has a lease on its key, and nobody else does so meanwhile,
nor until ten seconds after that program died. Answers hold recipients and, of `/v1/keys`, secrets: they are
kept encrypted under the idempotency key, of which only a hash is stored.
"""

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.callers import Caller
from api.bodies import read_body
from api.conventions.leases import Lease, LeaseLostError
from api.conventions.shared_state import SharedState, SharedStateUnavailableError
from api.ndjson import NDJSON_TYPES
from api.problems import (
    IDEMPOTENCY_KEY_IN_USE,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    ProblemError,
    unavailable,
)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = (b"idempotency-replayed", b"true")
KEPT_S: Final = 24 * 3600
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
# A structured field's string, as the draft has it, or the same bare, as most senders write it.
_KEY: Final = re.compile(
    r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255})'
)
_UNDER_WAY: Final = b"under way"


class Idempotency:
    """ASGI middleware on POSTs of callers who send the header; after `Authentication`."""

    def __init__(self, app: ASGIApp, *, shared_state: SharedState) -> None:
        self._app = app
        self._shared_state = shared_state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        offered = Headers(scope=scope).getlist(HEADER) if scope["type"] == "http" else []
        if caller is None or not offered or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, caller, offered)
        except ProblemError as error:
            await error.problem.to_response(scope["path"])(scope, receive, send)
        except LeaseLostError:
            problem = unavailable("Redis was out of reach, and the work was broken off midway.").problem
            await problem.to_response(scope["path"])(scope, receive, send)
        except SharedStateUnavailableError:
            problem = unavailable("Redis can't be reached.").problem
            await problem.to_response(scope["path"])(scope, receive, send)
        except ClientDisconnect:
            pass
        else:
            for message in answer.messages():
                await send(message)

    async def _answer(self, scope: Scope, receive: Receive, caller: Caller, offered: list[str]) -> "_Answer":
        """The answer, kept or new. Raises a 400, 409, 422."""
        request = Request(scope, receive)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type in NDJSON_TYPES:
            raise ProblemError(
                IDEMPOTENCY_KEY_INVALID,
                f"A stream of lines takes no {HEADER}; its lines are safe to send again.",
            )
        slot = _Slot.of(caller, _read_key(offered))
        body = await read_body(request, MAX_BODY_BYTES)
        fingerprint = _fingerprint(scope, media_type, body)
        lease = await Lease.take(self._shared_state, slot.name, fingerprint + _UNDER_WAY)
        if isinstance(lease, bytes):
            return _repeat(lease, fingerprint, slot)
        kept = False
        try:
            answer = await lease.hold(_carry_out(self._app, scope, receive, body))
            if 200 <= answer.status < 300:
                await lease.replace(fingerprint + slot.seal(answer.to_json()), KEPT_S)
                kept = True
        finally:
            if not kept:
                await lease.end()
        return answer


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where an answer is kept, and what it is sealed with."""

    name: str
    key: bytes

    @classmethod
    def of(cls, caller: Caller, idempotency_key: str) -> "_Slot":
        whole = f"{caller.tenant}\0{caller.kind}\0{caller.actor}\0{idempotency_key}".encode()
        name = hashlib.sha256(b"name\0" + whole).hexdigest()
        return cls(f"idempotency:{name}", hashlib.sha256(b"seal\0" + whole).digest())

    def seal(self, data: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self.key).encrypt(nonce, data, self.name.encode())

    def unseal(self, sealed: bytes) -> bytes:
        return AESGCM(self.key).decrypt(sealed[:12], sealed[12:], self.name.encode())


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def messages(self) -> tuple[Message, Message]:
        return (
            {"type": "http.response.start", "status": self.status, "headers": self.headers},
            {"type": "http.response.body", "body": self.body, "more_body": False},
        )

    def to_json(self) -> bytes:
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        return orjson.dumps([self.status, headers, base64.b64encode(self.body).decode()])

    @classmethod
    def from_json(cls, document: bytes) -> "_Answer":
        status, headers, body = orjson.loads(document)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return cls(status, [*raw, REPLAYED], base64.b64decode(body))


def _read_key(offered: list[str]) -> str:
    """The key without its quotes. Raises a 400."""
    match = _KEY.fullmatch(offered[0].strip()) if len(offered) == 1 else None
    if match is None:
        raise ProblemError(
            IDEMPOTENCY_KEY_INVALID,
            f'{HEADER} is one string of 1 to 255 printable ASCII characters, such as "8e03978e-40d5-43dd".',
        )
    return match[1] or match[2]


def _fingerprint(scope: Scope, media_type: str, body: bytes) -> bytes:
    """32 bytes that tell one request from another."""
    head = "\0".join((scope["path"], scope["query_string"].decode("latin-1"), media_type)).encode()
    return hashlib.sha256(len(head).to_bytes(4) + head + body).digest()


def _repeat(found: bytes, fingerprint: bytes, slot: _Slot) -> _Answer:
    if found[:32] != fingerprint:
        raise ProblemError(
            IDEMPOTENCY_KEY_REUSED,
            f"This {HEADER} was used for another request in the last 24 hours; make a new one each time.",
        )
    if found[32:].startswith(_UNDER_WAY):
        raise ProblemError(
            IDEMPOTENCY_KEY_IN_USE,
            f"The first request with this {HEADER} is still under way; try again shortly.",
            headers={"Retry-After": "1"},
        )
    try:
        return _Answer.from_json(slot.unseal(found[32:]))
    except InvalidTag:
        raise unavailable("The kept answer can't be read.") from None


async def _carry_out(app: ASGIApp, scope: Scope, receive: Receive, body: bytes) -> _Answer:
    """Let the app answer, and hold what it answers."""
    status = 500
    headers: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []
    given = False

    async def give_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, give_body, take)
    return _Answer(status, headers, b"".join(parts))
