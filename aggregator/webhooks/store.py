"""Webhooks and deliveries in the warehouse. Every function blocks: call it in a thread."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aggregator.webhooks.webhook import RECEIPTS, WebhookDocument, new_secret
from ingest.contract import Row, Warehouse

State = Literal["pending", "delivered", "given_up"]

DUE_A_WEBHOOK: Final = 50
"""How many deliveries of one webhook and URL are read at a time."""

_IDS_A_QUERY: Final = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be told at `url`. `id` names it for ever: receivers tell repeats apart by it."""

    tenant: str
    webhook: str
    id: str
    event: str
    url: str
    body: str
    recipient: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands. `status` is the last answer's, 0 where none came; `detail` tells why."""

    state: State
    attempts: int
    due_at_ms: int
    status: int = 0
    detail: str = ""
    attempted_at_ms: int | None = None


def read_webhooks(warehouse: Warehouse, tenant: str | None = None) -> list[WebhookDocument]:
    """Those that are not deleted, of one tenant or of all, oldest first."""
    whose = "" if tenant is None else " AND tenant = {tenant:String}"
    rows = warehouse.query(
        f"SELECT document FROM webhooks FINAL WHERE NOT deleted{whose}",  # noqa: S608 - our own condition
        {} if tenant is None else {"tenant": tenant},
    )
    found = [WebhookDocument.from_json(document) for (document,) in rows]
    return sorted(found, key=lambda webhook: (webhook.created_at_ms, webhook.id))


def save_webhook(warehouse: Warehouse, webhook: WebhookDocument, *, deleted: bool = False) -> None:
    """Store this version. The same version again does nothing."""
    warehouse.insert(
        "webhooks",
        {
            "tenant": [webhook.tenant],
            "id": [webhook.id],
            "document": [webhook.to_json()],
            "version": [webhook.version],
            "deleted": [deleted],
        },
        token=f"{webhook.tenant}:{webhook.id}:{webhook.version}:{deleted}",
    )


def receipts_webhook(warehouse: Warehouse, tenant: str, now_ms: int) -> WebhookDocument:
    """The tenant's `RECEIPTS`, made where there is none. Two who make it at once get the same one."""
    for _ in range(2):
        for webhook in read_webhooks(warehouse, tenant):
            if webhook.id == RECEIPTS:
                return webhook
        save_webhook(
            warehouse,
            WebhookDocument(
                id=RECEIPTS,
                tenant=tenant,
                url="",
                events=("message.clicked",),
                secret=new_secret(),
                description="Signs CLICKED receipts to the callbackUrl of your messages",
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
            ),
        )
    raise AssertionError("a webhook that was saved is not there")


def add_deliveries(warehouse: Warehouse, deliveries: Sequence[Delivery]) -> int:
    """Store those that are not there yet, each due at once; how many those were.

    The bodies go first: a death in between leaves bodies without a standing, which are found missing again.
    """
    known = _known_ids(warehouse, deliveries)
    new = [one for one in deliveries if (one.webhook, one.id) not in known]
    fresh = list({(one.webhook, one.id): one for one in new}.values())
    for month in _by_month(fresh):
        first, last = month[0], month[-1]
        token = f"{first.webhook}:{first.id}:{last.webhook}:{last.id}:{len(month)}"
        warehouse.insert("deliveries", _delivery_columns(month), token=token)
        due = Standing("pending", 0, first.created_at_ms)
        save_standings(warehouse, [(one, due) for one in month], version=1, token=f"{token}:due")
    return len(fresh)


def save_standings(
    warehouse: Warehouse,
    standings: Sequence[tuple[Delivery, Standing]],
    *,
    version: int | None = None,
    token: str | None = None,
) -> None:
    """Store where deliveries stand now. The highest version counts: the time in µs where none is given."""
    number = time.time_ns() // 1000 if version is None else version
    by_month: dict[str, list[tuple[Delivery, Standing]]] = {}
    for one in standings:
        by_month.setdefault(_month(one[0]), []).append(one)
    for month, rows in by_month.items():
        warehouse.insert(
            "delivery_states",
            {
                "tenant": [delivery.tenant for delivery, _ in rows],
                "webhook": [delivery.webhook for delivery, _ in rows],
                "id": [delivery.id for delivery, _ in rows],
                "url": [delivery.url for delivery, _ in rows],
                "state": [standing.state for _, standing in rows],
                "attempts": [standing.attempts for _, standing in rows],
                "due_at": [standing.due_at_ms for _, standing in rows],
                "status": [standing.status for _, standing in rows],
                "detail": [standing.detail for _, standing in rows],
                "attempted_at": [standing.attempted_at_ms for _, standing in rows],
                "created_at": [delivery.created_at_ms for delivery, _ in rows],
                "version": [number] * len(rows),
            },
            token=token or f"standings:{number}:{rows[0][0].id}:{month}",
        )


_DELIVERY: Final = "tenant, webhook, id, event, url, body, recipient, toUnixTimestamp64Milli(created_at)"

_DUE: Final = f"""
SELECT {_DELIVERY}, attempts
FROM (
    SELECT tenant, webhook, id, attempts, due_at FROM delivery_states FINAL
    WHERE state = 'pending' AND due_at <= fromUnixTimestamp64Milli({{now:Int64}}, 'UTC')
        AND id NOT IN {{busy:Array(String)}} AND url NOT IN {{held:Array(String)}}
    ORDER BY due_at LIMIT {DUE_A_WEBHOOK} BY tenant, webhook, url
) AS due
INNER JOIN deliveries USING (tenant, webhook, id)
ORDER BY due_at
LIMIT 1 BY tenant, webhook, id
"""  # noqa: S608 - our own columns


def read_due(
    warehouse: Warehouse, now_ms: int, *, busy: Collection[str], held: Collection[str]
) -> list[tuple[Delivery, int]]:
    """Deliveries that are due, with the tries that each had; at most `DUE_A_WEBHOOK` a webhook and URL.

    Left out are the ids in `busy` and the URLs in `held`.
    """
    parameters = {"now": now_ms, "busy": list(busy), "held": list(held)}
    return [(Delivery(*row[:-1]), int(row[-1])) for row in warehouse.query(_DUE, parameters)]


_LISTED: Final = f"""
SELECT {_DELIVERY}, state, attempts, toUnixTimestamp64Milli(due_at), status, detail,
    toUnixTimestamp64Milli(attempted_at)
FROM deliveries
INNER JOIN (
    SELECT tenant, webhook, id, state, attempts, due_at, status, detail, attempted_at
    FROM delivery_states FINAL
    WHERE tenant = {{tenant:String}} AND webhook = {{webhook:String}}
) AS standing USING (tenant, webhook, id)
WHERE tenant = {{tenant:String}} AND webhook = {{webhook:String}}
"""  # noqa: S608 - our own columns


def list_deliveries(
    warehouse: Warehouse, tenant: str, webhook: str, *, state: State | None, before: str | None, limit: int
) -> list[tuple[Delivery, Standing]]:
    """Deliveries of a webhook, newest first, from the one before id `before` on; their ids sort by time."""
    more = (" AND state = {state:String}" if state else "") + (" AND id < {before:String}" if before else "")
    rows = warehouse.query(
        f"{_LISTED}{more} ORDER BY id DESC LIMIT 1 BY id LIMIT {{limit:UInt32}}",
        {"tenant": tenant, "webhook": webhook, "state": state, "before": before, "limit": limit},
    )
    return [_listed(row) for row in rows]


def read_delivery(
    warehouse: Warehouse, tenant: str, webhook: str, delivery_id: str
) -> tuple[Delivery, Standing] | None:
    rows = warehouse.query(
        f"{_LISTED} AND id = {{id:String}} LIMIT 1",
        {"tenant": tenant, "webhook": webhook, "id": delivery_id},
    )
    return _listed(rows[0]) if rows else None


def count_pending(warehouse: Warehouse) -> int:
    ((count,),) = warehouse.query("SELECT count() FROM delivery_states FINAL WHERE state = 'pending'")
    return int(count)


def _listed(row: Row) -> tuple[Delivery, Standing]:
    return Delivery(*row[:8]), Standing(*row[8:])


def _known_ids(warehouse: Warehouse, deliveries: Sequence[Delivery]) -> set[tuple[str, str]]:
    ids = [one.id for one in deliveries]
    known: set[tuple[str, str]] = set()
    for at in range(0, len(ids), _IDS_A_QUERY):
        rows = warehouse.query(
            "SELECT DISTINCT webhook, id FROM delivery_states"
            " WHERE tenant IN {tenants:Array(String)} AND webhook IN {webhooks:Array(String)}"
            " AND id IN {ids:Array(String)}",
            {
                "tenants": list({one.tenant for one in deliveries}),
                "webhooks": list({one.webhook for one in deliveries}),
                "ids": ids[at : at + _IDS_A_QUERY],
            },
        )
        known.update((str(webhook), str(id_)) for webhook, id_ in rows)
    return known


def _by_month(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Runs that one insert takes as one block: partitions are months."""
    by_month: dict[str, list[Delivery]] = {}
    for one in deliveries:
        by_month.setdefault(_month(one), []).append(one)
    yield from by_month.values()


def _month(delivery: Delivery) -> str:
    return time.strftime("%Y%m", time.gmtime(delivery.created_at_ms // 1000))


def _delivery_columns(deliveries: Sequence[Delivery]) -> dict[str, list[object]]:
    return {
        "tenant": [one.tenant for one in deliveries],
        "webhook": [one.webhook for one in deliveries],
        "id": [one.id for one in deliveries],
        "event": [one.event for one in deliveries],
        "url": [one.url for one in deliveries],
        "body": [one.body for one in deliveries],
        "recipient": [one.recipient for one in deliveries],
        "created_at": [one.created_at_ms for one in deliveries],
    }
