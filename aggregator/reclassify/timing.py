"""Rules about when clicks come. They need more than one click, so they judge stored rows.

They judge only what the rules of `ingest/enrich/rules.py` take for a person, and by facts that never change
(times, codes, addresses, networks, not verdicts): the same clicks are judged the same whenever it is done. The
limits are such that people keep well clear of them:

| rule | what it takes | why no person does |
| --- | --- | --- |
| within 2 s of the mint | a personal code asked for within 2 s of being minted | the code has yet to be put into a message, sent, delivered, noticed and tapped |
| within 5 s of the mint, hosting network | the same within 5 s, from rented machines | a gateway's link scanner; a person behind a VPN takes longer |
| burst on a personal code | 10 requests of one code within 10 s from one address with one user agent | the code is one person's, and each tap leads away from it |
| burst from a hosting address | 20 requests of a tenant's links within 60 s from one address of a hosting network, with one user agent | VPNs share addresses, but not at this rate for one sender's links |

Bursts are never told by an address alone: behind a carrier's NAT thousands of the same phone have one, and
a link that spreads is asked for by all of them at once. Nor by a network that is not known to be of rented
machines, nor where the tenant keeps only a part of the address.
"""  # noqa: E501 - rows of a table

from typing import Final

MINT_MS: Final = 2_000
MINT_FROM_HOSTING_MS: Final = 5_000
# The api's clock may be ahead of the edge's. Clicks that are much older than their code were imported.
CLOCK_SKEW_MS: Final = 1_000
CODE_BURST_CLICKS: Final = 10
CODE_BURST_MS: Final = 10_000
HOSTING_BURST_CLICKS: Final = 20
HOSTING_BURST_MS: Final = 60_000

# How far around a window clicks must be looked at.
MARGIN_MS: Final = HOSTING_BURST_MS

AFTER_MINT: Final = "timing: within 2 s of the mint"
AFTER_MINT_FROM_HOSTING: Final = "timing: within 5 s of the mint, hosting network"
BURST_ON_CODE: Final = "timing: burst on a personal code"
BURST_FROM_HOSTING: Final = "timing: burst from a hosting address"
TIMING_RULES: Final = (AFTER_MINT, AFTER_MINT_FROM_HOSTING, BURST_ON_CODE, BURST_FROM_HOSTING)

_AROUND: Final = (
    "ts >= fromUnixTimestamp64Milli({start:Int64} - {margin:Int64}, 'UTC')"
    " AND ts < fromUnixTimestamp64Milli({end:Int64} + {margin:Int64}, 'UTC')"
    " AND ({tenant:String} = '' OR tenant = {tenant:String}) AND link != 0 AND channel = 'redirect'"
)
_MINTED: Final = f"""
SELECT source, seq, if(delay_ms < {MINT_MS}, '{AFTER_MINT}', '{AFTER_MINT_FROM_HOSTING}') AS rule
FROM (
    SELECT source, seq, network_kind, toUnixTimestamp64Milli(ts) - minted.at_ms AS delay_ms
    FROM (
        SELECT tenant, link, code, source, seq, network_kind, ts FROM clicks WHERE personal AND {_AROUND}
    ) AS personal
    INNER JOIN (
        SELECT tenant, link, code, toUnixTimestamp64Milli(min(minted_at)) AS at_ms FROM codes
        WHERE minted_at >= fromUnixTimestamp64Milli({{start:Int64}} - 2 * {{margin:Int64}}, 'UTC')
            AND minted_at < fromUnixTimestamp64Milli({{end:Int64}} + 2 * {{margin:Int64}}, 'UTC')
            AND (tenant, link) IN (SELECT tenant, link FROM clicks WHERE personal AND {_AROUND})
        GROUP BY tenant, link, code
    ) AS minted USING (tenant, link, code)
)
WHERE delay_ms >= -{CLOCK_SKEW_MS}
    AND delay_ms < if(network_kind = 'hosting', {MINT_FROM_HOSTING_MS}, {MINT_MS})
"""  # noqa: S608 - our own names


def _burst(rule: str, *, group: str, condition: str, clicks: int, within_ms: int) -> str:
    """Clicks of runs of `clicks` within `within_ms`: a run starts at one, and holds those that follow."""
    ordered = "PARTITION BY burst_group ORDER BY ts_ms, source, seq"
    return f"""
SELECT source, seq, '{rule}' AS rule
FROM (
    SELECT source, seq,
        max(starts) OVER ({ordered} ROWS BETWEEN {clicks - 1} PRECEDING AND CURRENT ROW) AS within
    FROM (
        SELECT source, seq, ts_ms, burst_group,
            leadInFrame(ts_ms, {clicks - 1}, toInt64(9000000000000)) OVER (
                {ordered} ROWS BETWEEN CURRENT ROW AND {clicks - 1} FOLLOWING
            ) - ts_ms <= {within_ms} AS starts
        FROM (
            SELECT source, seq, toUnixTimestamp64Milli(ts) AS ts_ms, sipHash64({group}) AS burst_group
            FROM clicks WHERE {condition} AND {_AROUND}
        )
    )
)
WHERE within
"""  # noqa: S608 - our own names


_CODE_BURST: Final = _burst(
    BURST_ON_CODE,
    group="tenant, link, code, ip, user_agent",
    condition="personal",
    clicks=CODE_BURST_CLICKS,
    within_ms=CODE_BURST_MS,
)
_HOSTING_BURST: Final = _burst(
    BURST_FROM_HOSTING,
    group="tenant, ip, user_agent",
    condition="network_kind = 'hosting' AND ip != '' AND NOT match(ip, '([.]0|::)$')",
    clicks=HOSTING_BURST_CLICKS,
    within_ms=HOSTING_BURST_MS,
)
_RANK: Final = f"indexOf({list(TIMING_RULES)}, rule)"

# `source, seq, rule` of each click around `[start, end)` that a timing rule takes. Parameters: `start`, `end`
# and `margin` in ms, `tenant` ("" for all).
TIMED_CLICKS: Final = f"""
SELECT source, seq, argMin(rule, {_RANK}) AS rule
FROM ({_MINTED} UNION ALL {_CODE_BURST} UNION ALL {_HOSTING_BURST})
GROUP BY source, seq
"""  # noqa: S608 - our own names
