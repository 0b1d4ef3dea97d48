"""Erasing a link, or a person: their clicks, their codes, and what else tells of them.

Rows are gone from every query at once, and from the disk once the deleted masks are applied
(`aggregator/erasure.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ingest.removal import remove_clicks
from ingest.warehouse import Warehouse

# How long a click of an erased link or person may have been on its way.
ON_ITS_WAY: Final = timedelta(hours=48)

_OF_LINK = "tenant = {tenant:String} AND link = {link:UInt64}"
# Where a link's clicks are counted. What its domain and its tenant had stays counted: that tells of no link.
LINK_COUNTS: Final = ("rollup_returns", "rollup_keys", "rollup_windows", "click_changes", "click_days")
_COUNTS_OF_LINK: Final = "tenant = {tenant:String} AND scope = 'link' AND subject = {link:UInt64}"
_NAMED: Final = "FROM recipient_erasures WHERE tenant = {tenant:String} AND id = {erasure:String}"
_OF_PERSON: Final = (
    f"tenant = {{tenant:String}} AND link IN (SELECT link {_NAMED})"
    f" AND (link, code) IN (SELECT link, code {_NAMED})"
)

# Whoever asks for a code after it was taken from its person leaves a click of no link and no tenant.
_ORPHANS_OF_PERSON: Final = f"tenant = '' AND link = 0 AND (domain, code) IN (SELECT domain, code {_NAMED})"

# A letter that is JSON tells its link and code; of any other, whatever looks like one is taken for it.
LETTERS_LINK: Final = (
    "if(JSONHas(value, 'link'), JSONExtractUInt(value, 'link'),"
    " toUInt64OrZero(extract(value, '\"link\":([0-9]+)')))"
)
_TELLS_OF_LINK: Final = (
    f"{LETTERS_LINK} = {{link:UInt64}} AND JSONExtractString(value, 'tenant') IN ('', {{tenant:String}})"
)
_TELLS_OF_PERSON: Final = (
    "hasAny(if(JSONHas(value, 'code'), [JSONExtractString(value, 'code')],"
    " extractAll(value, '[A-Za-z0-9]+')),"
    f" (SELECT groupUniqArray(code) {_NAMED}))"
    " AND JSONExtractString(value, 'tenant') IN ('', {tenant:String})"
)

_THEIRS: Final = "recipient IN {recipients:Array(String)}"
_UNTIL: Final = "<= fromUnixTimestamp64Milli({asked_at:Int64}, 'UTC')"
_THEIR_MESSAGES: Final = f"{_THEIRS} AND accepted_at {_UNTIL}"
_THEIR_DELIVERIES: Final = f"{_THEIRS} AND created_at {_UNTIL}"
_OF_TENANT: Final = "WHERE tenant = {tenant:String} AND"

# Tables and which of their rows name a person; before each, those that are found by it.
_NAMING_PERSON: Final = (
    ("message_codes", f"(link, code) IN (SELECT link, code {_NAMED})"),
    ("message_statuses", f"id IN (SELECT id FROM messages {_OF_TENANT} {_THEIR_MESSAGES})"),
    ("messages", _THEIR_MESSAGES),
    ("delivery_states", f"id IN (SELECT id FROM deliveries {_OF_TENANT} {_THEIR_DELIVERIES})"),
    ("deliveries", _THEIR_DELIVERIES),
    ("codes", f"{_THEIRS} AND minted_at {_UNTIL}"),
)


def erase_link(warehouse: Warehouse, tenant: str, number: int) -> None:
    """Delete every row about the link but its tombstone. Run it again for what arrived meanwhile."""
    link: dict[str, object] = {"tenant": tenant, "link": number}
    remove_clicks(warehouse, _OF_LINK, link, reason="erased")
    _erase_letters(warehouse, _TELLS_OF_LINK, link)
    # After the clicks: a window that is being computed from them meanwhile is deleted by the next sweep.
    for table in LINK_COUNTS:
        _delete_where(warehouse, table, _COUNTS_OF_LINK, link)
    for table in ("sent_15m", "codes"):
        _delete_where(warehouse, table, _OF_LINK, link)
    warehouse.command(
        "DELETE FROM links WHERE tenant = {tenant:String} AND number = {link:UInt64} AND NOT deleted", link
    )


def name_codes_of(
    warehouse: Warehouse, tenant: str, recipients: Sequence[str], *, erasure: str, asked_at_ms: int
) -> list[tuple[str, str]]:
    """Note which codes a person had when it was asked; `(domain, code)` of each, also of an earlier try.

    `recipients` are all forms in which the person may be stored.

    Codes minted later are another story: whoever comes back is known again.
    """
    parameters: dict[str, object] = {
        "tenant": tenant,
        "recipients": list(recipients),
        "erasure": erasure,
        "asked_at": asked_at_ms,
    }
    theirs = (
        "FROM codes WHERE tenant = {tenant:String} AND recipient IN {recipients:Array(String)}"
        " AND minted_at <= fromUnixTimestamp64Milli({asked_at:Int64}, 'UTC')"
    )
    warehouse.command(
        "INSERT INTO recipient_erasures (tenant, id, link, domain, code, asked_at)"
        " SELECT DISTINCT {tenant:String}, {erasure:String}, minted.link, their_links.domain, minted.code,"
        f" fromUnixTimestamp64Milli({{asked_at:Int64}}, 'UTC') FROM (SELECT link, code {theirs}) AS minted"
        " INNER JOIN (SELECT number, domain FROM links FINAL WHERE tenant = {tenant:String}"
        f" AND number IN (SELECT link {theirs})) AS their_links ON their_links.number = minted.link",
        parameters,
    )
    rows = warehouse.query(f"SELECT DISTINCT domain, code {_NAMED}", parameters)
    return [(str(domain), str(code)) for domain, code in rows]


def count_named(warehouse: Warehouse, tenant: str, recipients: Sequence[str]) -> dict[str, int]:
    """How much there is of a person: `codes`, and `clicks` on them."""
    parameters: dict[str, object] = {"tenant": tenant, "recipients": list(recipients)}
    theirs = "FROM codes WHERE tenant = {tenant:String} AND recipient IN {recipients:Array(String)}"
    ((codes,),) = warehouse.query(f"SELECT uniqExact(link, code) {theirs}", parameters)
    ((clicks,),) = warehouse.query(
        "SELECT count() FROM clicks WHERE tenant = {tenant:String}"
        f" AND link IN (SELECT link {theirs}) AND (link, code) IN (SELECT link, code {theirs})",
        parameters,
    )
    return {"codes": int(codes), "clicks": int(clicks)}


def erase_named(warehouse: Warehouse, tenant: str, erasure: str) -> int:
    """Delete the clicks and dead letters of the codes that this erasure named; how many clicks there were.

    Clicks that came when the codes were nobody's any more are among them.

    Run it again for what arrived meanwhile.
    """
    person: dict[str, object] = {"tenant": tenant, "erasure": erasure}
    removed = remove_clicks(warehouse, _OF_PERSON, person, reason="erased")
    removed += remove_clicks(warehouse, _ORPHANS_OF_PERSON, person, reason="erased")
    _erase_letters(warehouse, _TELLS_OF_PERSON, person)
    return removed


def forget_recipient(
    warehouse: Warehouse, tenant: str, recipients: Sequence[str], *, erasure: str, asked_at_ms: int
) -> None:
    """Delete what names the person: messages, what was told of them, and last the codes, which lead to it."""
    person: dict[str, object] = {
        "tenant": tenant,
        "recipients": list(recipients),
        "erasure": erasure,
        "asked_at": asked_at_ms,
    }
    for table, condition in _NAMING_PERSON:
        _delete_where(warehouse, table, f"tenant = {{tenant:String}} AND {condition}", person)


def _erase_letters(warehouse: Warehouse, condition: str, parameters: Mapping[str, object]) -> None:
    # Where a letter is being replayed, that outcome's version is higher: the click is swept as it arrives.
    warehouse.command(
        "INSERT INTO dead_letter_outcomes (partition, position, source, seq, outcome, version, decided_at)"
        " SELECT partition, position, source, seq, 'erased', 1, now64(3) FROM dead_letters"
        f" WHERE {condition}",
        parameters,
    )
    for table in ("dead_letters", "dead_letter_requests"):
        _delete_where(warehouse, table, condition, parameters)


def _delete_where(warehouse: Warehouse, table: str, condition: str, parameters: Mapping[str, object]) -> None:
    """Delete, where there is something: a delete looks through every part, a query does not."""
    if warehouse.query(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", parameters):
        warehouse.command(f"DELETE FROM {table} WHERE {condition}", parameters)
