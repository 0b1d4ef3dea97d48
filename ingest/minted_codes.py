"""The catalogue's codes of recipients: stored, and found by whom they were minted for. All of it blocks."""

from collections.abc import Iterator, Sequence
from typing import Final

from ingest.warehouse import Warehouse

# What one statement asks about at the most: a server takes 128 KiB a parameter (`http_max_field_value_size`).
PARAMETER_BYTES: Final = 120_000
_CODES_A_STATEMENT: Final = 1_000
NO_LINK: Final = 0
_ROWS_FOR_ALL_SHARDS: Final = 1_000
# Pairs go as one text, which costs a tenth of two arrays. No recipient or reference has control characters.
_PAIR_END: Final = "\x1e"
_PART_END: Final = "\x1f"
_ESCAPED: Final = "\\'`\t\n"


def add_codes(
    warehouse: Warehouse,
    tenant: str,
    numbers: Sequence[int],
    minted: Sequence[Sequence[str]],
    minted_at_ms: int,
    *,
    token: str,
) -> None:
    """Store code, recipient and reference each, of the link whose number stands at its place."""
    codes, recipients, references = zip(*minted, strict=True) if minted else ((), (), ())
    count = len(codes)
    warehouse.insert(
        "codes",
        {
            "tenant": [tenant] * count,
            "link": numbers,
            "recipient": recipients,
            "reference": references,
            "code": codes,
            "minted_at": [minted_at_ms] * count,
        },
        token=token,
    )


def find_codes(
    warehouse: Warehouse, tenant: str, number: int, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The code of each `(recipient, reference)` that has one; the oldest if it has several."""
    found: dict[tuple[str, str], str] = {}
    for batch in _batches(pairs):
        rows = warehouse.query(
            "SELECT recipient, reference, argMin(code, (minted_at, code)) FROM codes"
            " WHERE tenant = {tenant:String} AND link = {link:UInt64} AND (recipient, reference) IN"
            " (SELECT pair[1], pair[2] FROM (SELECT arrayMap(text -> splitByChar('\\x1f', text),"
            " splitByChar('\\x1e', {pairs:String})) AS split) ARRAY JOIN split AS pair)"
            " GROUP BY recipient, reference",
            {"tenant": tenant, "link": number, "pairs": batch},
        )
        found.update({(recipient, reference): code for recipient, reference, code in rows})
    return found


def codes_of_others(
    warehouse: Warehouse, tenant: str, claimed: Sequence[tuple[int, str, str, str]]
) -> set[str]:
    """Codes of those (link, code, recipient, reference) of another recipient, or the link's own."""
    found: set[str] = set()
    for start in range(0, len(claimed), _CODES_A_STATEMENT):
        some = set(claimed[start : start + _CODES_A_STATEMENT])
        holders = warehouse.query(
            "SELECT link, code, recipient, reference FROM codes WHERE tenant = {tenant:String}"
            " AND link IN {links:Array(UInt64)} AND code IN {codes:Array(String)}"
            " UNION ALL SELECT number, code, '', '' FROM links WHERE tenant = {tenant:String}"
            " AND number IN {links:Array(UInt64)} AND code IN {codes:Array(String)}",
            {
                "tenant": tenant,
                "links": sorted({link for link, *_ in some}),
                "codes": sorted({code for _, code, *_ in some}),
            },
        )
        claimed_codes = {(link, code) for link, code, *_ in some}
        found |= {each[1] for each in holders if tuple(each) not in some and tuple(each[:2]) in claimed_codes}
    return found


def use_up_token(warehouse: Warehouse, now_ms: int, *, token: str) -> None:
    """Codes under this token are stored by now, or never will be: the next ones under it add nothing.

    What is stored in their place belongs to no tenant. On a cluster each shard knows the tokens of the rows
    that it was sent, so there are many, and always the same ones.
    """
    nobody = [("", str(number), "") for number in range(_ROWS_FOR_ALL_SHARDS)]
    add_codes(warehouse, "", [NO_LINK] * len(nobody), nobody, now_ms, token=token)


class _PlainText(str):
    """A text without a character that a parameter has escaped.

    clickhouse-connect looks at parameters character by character, a third of what a look-up costs us.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter((str(self),))


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The pairs as texts, each short enough for one statement."""
    text = _PAIR_END.join(map(_PART_END.join, pairs))
    sent_bytes = len(text.encode()) + text.count("\\")  # which is escaped
    if sent_bytes <= PARAMETER_BYTES:
        if pairs:
            yield text if any(each in text for each in _ESCAPED) else _PlainText(text)
        return
    middle = len(pairs) // 2
    yield from _batches(pairs[:middle])
    yield from _batches(pairs[middle:])
