"""The middleware that writes the audit log: one entry a request that may have changed something."""

import secrets
from dataclasses import asdict
from typing import Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.callers import Caller
from api.audit.changes import Changes, collect_changes
from api.audit.entries import AuditEntry
from api.audit.log import AuditLog
from api.conventions.paths import template_of, without_recipient
from api.conventions.request_ids import current_request_id
from api.events import Clock
from api.problems import unavailable

# Calls that ask, and those that report what recipients did: neither changes what anybody has set.
UNAUDITED_ROUTES: Final = frozenset({"/v1/links/{link_id}/explain", "/v1/clicks"})
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class AuditTrail:
    """ASGI middleware, after `Authentication`: the entry is on the disk before the answer's end is sent."""

    def __init__(self, app: ASGIApp, *, audit_log: AuditLog, clock: Clock) -> None:
        self._app = app
        self._log = audit_log
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get("state", {}).get("caller")
        if caller is None or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        if not self._log.require_writable():
            problem = unavailable("The audit log can't be written, and nothing is changed unseen.").problem
            await problem.to_response(scope["path"])(scope, receive, send)
            return
        status = 500

        async def send_after_entry(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False) and (status < 400 or changes.count):
                await self._write(scope, caller, status, changes)
            await send(message)

        with collect_changes() as changes:
            await self._app(scope, receive, send_after_entry)

    async def _write(self, scope: Scope, caller: Caller, status: int, changes: Changes) -> None:
        route = template_of(scope)
        if route in UNAUDITED_ROUTES and not changes.count:
            return
        at_ms = self._clock()
        await self._log.append(
            AuditEntry(
                tenant=caller.tenant,
                at_ms=at_ms,
                id=f"aud_{secrets.token_hex(12)}",
                actor_kind=caller.kind,
                actor=caller.actor,
                address=scope["state"]["address"],
                method=scope["method"],
                route=route,
                path=without_recipient(scope["path"])[:2048],
                status=status,
                request_id=current_request_id() or "",
                change_count=changes.count,
                changes=orjson.dumps([asdict(change) for change in changes.kept]).decode(),
            )
        )
