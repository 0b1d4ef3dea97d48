"""Judges stored clicks by today's rules and their timing, and notes those that are judged otherwise now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from aggregator.reclassify.documents import MAX_CHANGES, Change
from aggregator.reclassify.timing import MARGIN_MS, TIMED_CLICKS
from ingest.contract import Judge, Warehouse

INPUTS_AN_INSERT: Final = 10_000

# All that the rules look at, and what came of it. Of languages only whether there are any.
_INPUT: Final = (
    "reinterpretAsUInt128(sipHash128(method, user_agent, signals, language = '', network_kind, channel,"
    " verdict, rule))"
)
_WITHIN: Final = (
    "toYYYYMM(ts) = {month:UInt32}"
    " AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
    " AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"
    " AND ({tenant:String} = '' OR tenant = {tenant:String})"
)
_INPUTS: Final = f"""
SELECT {_INPUT} AS input, any(method), any(user_agent), any(signals), any(language), any(network_kind),
    any(channel), any(verdict), any(rule), count()
FROM clicks WHERE {_WITHIN}
GROUP BY input
SETTINGS max_bytes_before_external_group_by = 1000000000
"""  # noqa: S608 - our own names
_OF_MONTH: Final = "reclassification = {reclassification:String} AND month = {month:UInt32}"
_NOTE_CLICKS: Final = f"""
INSERT INTO reclassified_clicks (
    reclassification, month, tenant, link, ts, source, seq, verdict_before, rule_before, verdict, rule
)
SELECT
    {{reclassification:String}}, {{month:UInt32}}, tenant, link, ts, source, seq, verdict_before, rule_before,
    if(is_timed, 'automated', by_rules.1) AS verdict_after,
    if(is_timed, timing_rule, by_rules.2) AS rule_after
FROM (
    SELECT clicks.tenant AS tenant, clicks.link AS link, clicks.ts AS ts, clicks.source AS source,
        clicks.seq AS seq, clicks.verdict AS verdict_before, clicks.rule AS rule_before,
        if(judged.rule = '', (clicks.verdict, clicks.rule), (judged.verdict, judged.rule)) AS by_rules,
        timed.rule AS timing_rule, timing_rule != '' AND by_rules.1 = 'human' AS is_timed
    FROM (
        SELECT tenant, link, ts, source, seq, verdict, rule, {_INPUT} AS input FROM clicks WHERE {_WITHIN}
    ) AS clicks
    LEFT JOIN (
        SELECT input, any(verdict) AS verdict, any(rule) AS rule FROM reclassified_inputs
        WHERE {_OF_MONTH} GROUP BY input
    ) AS judged ON judged.input = clicks.input
    LEFT JOIN ({TIMED_CLICKS}) AS timed ON timed.source = clicks.source AND timed.seq = clicks.seq
)
WHERE (verdict_after, rule_after) != (verdict_before, rule_before)
SETTINGS insert_deduplicate = 0, join_use_nulls = 0
"""  # noqa: S608 - our own names
_CHANGES: Final = """
SELECT verdict_before, rule_before, verdict, rule, count() AS clicks
FROM reclassified_clicks WHERE reclassification = {reclassification:String}
GROUP BY verdict_before, rule_before, verdict, rule
ORDER BY clicks DESC, rule_before, rule LIMIT {limit:UInt32}
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Clicks of a calendar month (`202611`, in UTC) and of `[start_ms, end_ms)`, of a tenant or all ("")."""

    reclassification: str
    month: int
    start_ms: int
    end_ms: int
    tenant: str

    def parameters(self) -> dict[str, object]:
        return {
            "reclassification": self.reclassification,
            "month": self.month,
            "start": self.start_ms,
            "end": self.end_ms,
            "tenant": self.tenant,
            "margin": MARGIN_MS,
        }


def note_inputs(warehouse: Warehouse, window: Window, judge: Judge) -> int:
    """Note what today's rules judge otherwise than it is stored; how many clicks were looked at. Blocks."""
    judged = 0
    noted: list[tuple[int, str, str]] = []
    for block in warehouse.stream(_INPUTS, window.parameters()):
        for row in block:
            judged += row[-1]
            found = _judge_anew(judge, row)
            if found is not None:
                noted.append(found)
        while len(noted) >= INPUTS_AN_INSERT:
            _insert_inputs(warehouse, window, noted[:INPUTS_AN_INSERT])
            del noted[:INPUTS_AN_INSERT]
    _insert_inputs(warehouse, window, noted)
    return judged


def note_clicks(warehouse: Warehouse, window: Window) -> None:
    """Note the clicks of the window that are judged otherwise: by the noted inputs, or by their timing."""
    warehouse.command(_NOTE_CLICKS, window.parameters())


def read_changes(warehouse: Warehouse, reclassification: str) -> tuple[int, tuple[Change, ...]]:
    """How many clicks are noted, and how they change."""
    parameters = {"reclassification": reclassification, "limit": MAX_CHANGES}
    ((changed,),) = warehouse.query(
        "SELECT count() FROM reclassified_clicks WHERE reclassification = {reclassification:String}",
        parameters,
    )
    return int(changed), tuple(Change(*row) for row in warehouse.query(_CHANGES, parameters))


def noted_months(warehouse: Warehouse, reclassification: str) -> list[int]:
    rows = warehouse.query(
        "SELECT DISTINCT month FROM reclassified_clicks WHERE reclassification = {id:String} ORDER BY month",
        {"id": reclassification},
    )
    return [int(month) for (month,) in rows]


def forget_notes(warehouse: Warehouse, reclassification: str, month: int | None = None) -> None:
    """Drop what was noted, of one month or of all."""
    for table in ("reclassified_inputs", "reclassified_clicks"):
        for (noted,) in warehouse.query(
            f"SELECT DISTINCT month FROM {table} WHERE reclassification = {{id:String}}",  # noqa: S608 - our own names
            {"id": reclassification},
        ):
            if month in {None, noted}:
                warehouse.command(f"ALTER TABLE {table} DROP PARTITION ('{reclassification}', {int(noted)})")


def days(window: Window) -> Iterator[Window]:
    """The window in pieces of a day: sorting more at once for the bursts would take too much memory."""
    day_ms = 86_400_000
    start_ms = window.start_ms
    while start_ms < window.end_ms:
        end_ms = min((start_ms // day_ms + 1) * day_ms, window.end_ms)
        yield Window(window.reclassification, window.month, start_ms, end_ms, window.tenant)
        start_ms = end_ms


def _judge_anew(judge: Judge, row: Sequence[Any]) -> tuple[int, str, str] | None:
    noted, method, user_agent, signals, language, network_kind, channel, verdict, rule, _ = row
    judgement = judge(method, user_agent, orjson.loads(signals or "{}"), language, network_kind, channel)
    return None if judgement == (verdict, rule) else (noted, *judgement)


def _insert_inputs(warehouse: Warehouse, window: Window, noted: Sequence[tuple[int, str, str]]) -> None:
    if not noted:
        return
    warehouse.insert(
        "reclassified_inputs",
        {
            "reclassification": [window.reclassification] * len(noted),
            "month": [window.month] * len(noted),
            "input": [each for each, _, _ in noted],
            "verdict": [verdict for _, verdict, _ in noted],
            "rule": [rule for _, _, rule in noted],
        },
        token=f"{window.reclassification}:{window.month}:{noted[0][0]}:{noted[-1][0]}:{len(noted)}",
    )
