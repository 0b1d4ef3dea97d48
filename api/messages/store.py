"""The messages in the warehouse: accepted ones, their codes, and what became of each."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from api.messages.message import MAX_LIFETIME_MS, Fate, Message, MessageStatus, ShortenedUrl
from ingest.contract import Warehouse

MESSAGES_A_QUERY: Final = 1000  # ids of 36 characters: far below what a server takes as parameters

# In the order of Message's fields.
_COLUMNS: Final = """
    tenant, id, owner, sender, recipient, correlation_id, content, content_type, encoding, segments,
    segments_before, urls, callback_url, callback_data, track_clicks, dlt_template_id,
    toUnixTimestamp64Milli(messages.expires_at) AS expires_at_ms,
    toUnixTimestamp64Milli(messages.accepted_at) AS accepted_at_ms
"""
_TIMES: Final = {"expires_at_ms": "expires_at", "accepted_at_ms": "accepted_at"}
_UNSENT: Final = "(tenant, id) NOT IN (SELECT tenant, id FROM message_statuses"


class MessageStore:
    """Every method blocks: call it in a thread. Raises what the warehouse raises."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def add(self, messages: Sequence[Message]) -> None:
        """Store messages that were accepted at the same time, as a whole or not at all.

        Their codes go first: whoever dies in between leaves codes of a message that was never accepted.
        """
        token = messages[0].id
        codes = [(message, url) for message in messages for url in message.urls]
        if codes:
            self._warehouse.insert(
                "message_codes",
                {
                    "tenant": [message.tenant for message, _ in codes],
                    "link": [url.link for _, url in codes],
                    "code": [url.code for _, url in codes],
                    "message": [message.id for message, _ in codes],
                    "long_url": [url.long_url for _, url in codes],
                    "short_url": [url.short_url for _, url in codes],
                    "accepted_at": [message.accepted_at_ms for message, _ in codes],
                },
                token=token,
            )
        columns: dict[str, list[Any]] = {
            _TIMES.get(name, name): [getattr(message, name) for message in messages]
            for name in Message.__slots__
        }
        columns["urls"] = [
            orjson.dumps([dataclasses.astuple(url) for url in message.urls]).decode() for message in messages
        ]
        self._warehouse.insert("messages", columns, token=token)

    def finish(self, fates: Sequence[Fate]) -> None:
        """Store what became of messages. The same again does no harm."""
        self._warehouse.insert(
            "message_statuses",
            {
                "tenant": [fate.tenant for fate in fates],
                "id": [fate.id for fate in fates],
                "status": [fate.status for fate in fates],
                "reason": [fate.reason for fate in fates],
                "gateway_id": [fate.gateway_id for fate in fates],
                "status_at": [fate.at_ms for fate in fates],
            },
            token=f"{fates[0].id}:{fates[0].at_ms}",
        )

    def read(self, tenant: str, message_id: str) -> tuple[Message, Fate | None] | None:
        """The message, and what became of it; None for the latter while it waits."""
        found = self._messages(
            "tenant = {tenant:String} AND id = {id:String}", {"tenant": tenant, "id": message_id}
        )
        if not found:
            return None
        return found[0], self._fates(tenant, [message_id]).get(message_id)

    def page(
        self,
        tenant: str,
        *,
        limit: int,
        before: str,
        status: MessageStatus | None,
        now_ms: int,
    ) -> list[tuple[Message, Fate | None]]:
        """The newest messages, or those older than the one with the id `before`, unless that is empty."""
        conditions = ["tenant = {tenant:String}", "(id < {before:String} OR {before:String} = '')"]
        fates = "SELECT id FROM message_statuses FINAL WHERE tenant = {tenant:String}"
        if status in {"sent", "failed"}:
            conditions.append(f"id IN ({fates} AND status = {{status:String}})")
        elif status == "queued":
            conditions.append(f"expires_at_ms > {{now_ms:Int64}} AND id NOT IN ({fates})")
        elif status == "expired":
            conditions.append(
                f"(id IN ({fates} AND status = 'expired')"
                f" OR (expires_at_ms <= {{now_ms:Int64}} AND id NOT IN ({fates})))"
            )
        messages = self._messages(
            " AND ".join(conditions),
            {"tenant": tenant, "before": before, "status": status or "", "now_ms": now_ms},
            order=f"ORDER BY id DESC LIMIT {int(limit)}",
        )
        known = self._fates(tenant, [message.id for message in messages])
        return [(message, known.get(message.id)) for message in messages]

    def unsent(self, owner: str, now_ms: int) -> Iterator[tuple[str, list[str]]]:
        """What the dispatcher has still to hand over: a tenant and ids, oldest first, in runs of a query."""
        rows = self._warehouse.query(
            "SELECT tenant, id FROM messages FINAL WHERE owner = {owner:String}"  # noqa: S608 - our own text
            " AND accepted_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
            f" AND {_UNSENT}) ORDER BY tenant, id",
            {"owner": owner, "since": now_ms - MAX_LIFETIME_MS},
        )
        ids: dict[str, list[str]] = {}
        for tenant, message_id in rows:
            ids.setdefault(tenant, []).append(message_id)
        for tenant, all_ids in ids.items():
            for at in range(0, len(all_ids), MESSAGES_A_QUERY):
                yield tenant, all_ids[at : at + MESSAGES_A_QUERY]

    def load_unsent(self, tenant: str, ids: Sequence[str]) -> list[Message]:
        """Those of at most `MESSAGES_A_QUERY` messages of which nothing has become yet, oldest first."""
        return self._messages(
            "tenant = {tenant:String} AND id IN {ids:Array(String)}"
            f" AND {_UNSENT} WHERE tenant = {{tenant:String}} AND id IN {{ids:Array(String)}})",
            {"tenant": tenant, "ids": list(ids)},
            order="ORDER BY id",
        )

    def note_dispatcher(self, owner: str, now_ms: int) -> None:
        """The dispatcher is alive."""
        self._warehouse.insert(
            "message_dispatchers", {"owner": [owner], "seen_at": [now_ms]}, token=f"{owner}:{now_ms}"
        )

    def dispatchers(self) -> dict[str, int]:
        """When each dispatcher was last alive, in Unix ms."""
        rows = self._warehouse.query(
            "SELECT owner, toUnixTimestamp64Milli(max(seen_at)) FROM message_dispatchers GROUP BY owner"
        )
        return {str(owner): int(seen_at_ms) for owner, seen_at_ms in rows}

    def _messages(self, condition: str, parameters: dict[str, object], order: str = "") -> list[Message]:
        rows = self._warehouse.query_dicts(
            f"SELECT {_COLUMNS} FROM messages FINAL WHERE {condition} {order}",  # noqa: S608 - our own text
            parameters,
        )
        return [
            Message(**{**row, "urls": tuple(ShortenedUrl(*url) for url in orjson.loads(row["urls"]))})
            for row in rows
        ]

    def _fates(self, tenant: str, ids: Sequence[str]) -> dict[str, Fate]:
        rows = self._warehouse.query(
            "SELECT tenant, id, status, toUnixTimestamp64Milli(message_statuses.status_at), reason,"
            " gateway_id FROM message_statuses FINAL"
            " WHERE tenant = {tenant:String} AND id IN {ids:Array(String)}",
            {"tenant": tenant, "ids": list(ids)},
        )
        return {fate.id: fate for fate in (Fate(*row) for row in rows)}
