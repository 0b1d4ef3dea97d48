"""Decides what a report reads: rollups where they hold and are worth it, the rows else.

A window holds while as many changes are known of it as it was computed at (`click_changes`). Few clicks are
counted from the rows, exactly. So are those of which the rollups cover too little.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from aggregator.contract import DAY_S, EXACT_UP_TO_CLICKS, FOUR_WEEKS_S, GRAINS_S, QUARTER_S
from api.reports.cover import Cover, Piece, Span, cover
from api.reports.query import Scope
from api.reports.rows import Part
from api.reports.threads import THREADS
from ingest.contract import Warehouse

# With more than this share of the clicks outside of the windows, these save nothing.
MAX_REST: Final = 0.5

# What the days of a span are looked up by, and finer windows where these leave something.
_COARSE_S: Final = (FOUR_WEEKS_S, DAY_S)
_FINE_S: Final = tuple(grain_s for grain_s in GRAINS_S if grain_s < DAY_S)
_DAYS_OF_FOUR_WEEKS: Final = FOUR_WEEKS_S // DAY_S
# Of so many clicks in the range a subject's windows are looked for; of fewer, its rows are read.
_LARGE_FROM_CLICKS: Final = 1_000
# So many rows are read and counted here in the time in which the engine plans to count them.
_FEW_CLICKS: Final = 2_000
_DAY_MS: Final = DAY_S * 1000
# Links with windows of their own in a report on many links; of those beyond, the rows are read.
_MAX_SUBJECTS: Final = 200

# Windows of days and more are read for the whole span, for finer ones of the days in `fine` only.
_IN_GRAIN: Final = """
    tenant = {tenant:String} AND scope = {scope:String} AND subject IN {subjects:Array(UInt64)}
        AND start >= toDateTime({since:Int64}, 'UTC') AND start < toDateTime({until:Int64}, 'UTC')
        AND (grain >= {day:UInt32} OR {everywhere:Bool}
            OR intDiv(toUnixTimestamp(start), {day:UInt32}) IN {fine:Array(UInt32)})
"""
_LIVE: Final = f"""
SELECT subject, grain, intDiv(toUnixTimestamp(start), grain) * grain AS start_s,
    sum(clicks) + sum(marks), sum(clicks)
FROM click_changes
ARRAY JOIN {{grains:Array(UInt32)}} AS grain
WHERE {_IN_GRAIN}
    AND day >= toDate(toDateTime({{since:Int64}}, 'UTC'))
    AND day <= toDate(toDateTime({{until:Int64}}, 'UTC'))
GROUP BY subject, grain, start_s
"""
_KNOWN: Final = f"""
SELECT subject, grain, toUnixTimestamp(start) AS start_s, max(changes),
    argMax(detailed, changes) AS is_detailed
FROM rollup_windows
WHERE {_IN_GRAIN} AND grain IN {{known_grains:Array(UInt32)}}
GROUP BY subject, grain, start_s
HAVING is_detailed
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """Windows of the rollups, and the rows that they don't cover."""

    pieces: Sequence[Piece]
    rest: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read for totals and breakdowns, and for the series; its windows lie in one bucket each."""

    window_scope: str
    totals: Reading
    series: Reading
    is_of_few_rows: bool = False


def make_plan(
    warehouse: Warehouse,
    scope: Scope,
    span: Span,
    bucket_starts_ms: Sequence[int],
    *,
    one_bucket_a_window: bool,
) -> Plan:
    """Read what is known of the windows in the span. `one_bucket_a_window`: no day lies in two buckets."""
    window_scope, subjects = _subjects(warehouse, scope)
    names: dict[str, object] = {"tenant": scope.tenant, "scope": window_scope}
    everything = Reading((), _rows_of(scope, [(subject, [span]) for subject in subjects]))
    only_rows = Plan(window_scope, everything, everything)
    cut = not one_bucket_a_window
    edges = {span[0] // _DAY_MS, (span[1] - 1) // _DAY_MS}
    known = _Known(warehouse, {**names, "subjects": subjects}, span)
    known.look(GRAINS_S if len(subjects) == 1 else _COARSE_S, edges, everywhere=cut)
    large = [subject for subject, count in known.stored.items() if count >= _LARGE_FROM_CLICKS]
    stored = sum(known.stored.values())
    if stored <= _FEW_CLICKS:
        return replace(only_rows, is_of_few_rows=True)
    if stored <= EXACT_UP_TO_CLICKS or len(large) > _MAX_SUBJECTS:
        return only_rows
    left = known.left_by_days(large)
    if len(subjects) > 1 or left - edges:
        known.names["subjects"] = large
        known.look(_FINE_S, left, everywhere=cut)
    others = [(subject, [span]) for subject in subjects if subject not in large]
    totals = {subject: known.cover(span, subject, GRAINS_S) for subject in large}
    reading = _reading(scope, totals, others)
    if not reading.pieces or _share_of_rest(totals, known, large) > MAX_REST:
        return only_rows
    series = {subject: _by_bucket(known, span, subject, bucket_starts_ms) for subject in large}
    return Plan(window_scope, reading, _reading(scope, series, others))


def _subjects(warehouse: Warehouse, scope: Scope) -> tuple[str, list[int]]:
    if scope.links is not None:
        return "link", list(scope.links)
    if scope.domain is not None:
        ((subject,),) = warehouse.query("SELECT cityHash64({domain:String})", {"domain": scope.domain})
        return "domain", [int(subject)]
    return "tenant", [0]


class _Known:
    """What is known of the windows in a span: which hold, and how many clicks were ever stored."""

    def __init__(self, warehouse: Warehouse, names: dict[str, object], span: Span) -> None:
        self.names = names
        self.usable: dict[int, dict[tuple[int, int], int]] = {}
        self.stored: dict[int, int] = {}
        self.clicks: dict[tuple[int, int, int], int] = {}
        self.clicked_days: dict[int, set[int]] = {}
        self._warehouse = warehouse
        self._span = span

    def look(self, grains_s: Sequence[int], fine_days: Iterable[int], *, everywhere: bool) -> None:
        """Read the state of these grains' windows. Days are numbered from 1970."""
        parameters = {
            **self.names,
            "grains": [grain_s for grain_s in grains_s if grain_s < FOUR_WEEKS_S],
            "known_grains": list(grains_s),
            "day": DAY_S,
            "since": self._span[0] // _DAY_MS * DAY_S,
            "until": -(-self._span[1] // _DAY_MS) * DAY_S,
            "everywhere": everywhere,
            "fine": sorted(fine_days),
        }
        changes: dict[tuple[int, int, int], int] = {}
        # In either order: a window that a click gets into meanwhile is not taken to hold.
        computing = THREADS.submit(self._warehouse.query, _KNOWN, parameters)
        for subject, grain_s, start_s, changed, stored in self._warehouse.query(_LIVE, parameters):
            window = int(subject), int(grain_s), int(start_s)
            changes[window], self.clicks[window] = int(changed), int(stored)
            if grain_s == DAY_S:
                self.clicked_days.setdefault(int(subject), set()).add(int(start_s) // DAY_S)
                self.stored[int(subject)] = self.stored.get(int(subject), 0) + int(stored)
        for subject, grain_s, start_s, computed, _ in computing.result():
            if grain_s == FOUR_WEEKS_S:
                days = [
                    (int(subject), DAY_S, int(start_s) + day * DAY_S) for day in range(_DAYS_OF_FOUR_WEEKS)
                ]
                window = int(subject), FOUR_WEEKS_S, int(start_s)
                changes[window] = sum(changes.get(day, 0) for day in days)
                self.clicks[window] = sum(self.clicks.get(day, 0) for day in days)
            if changes.get((int(subject), int(grain_s), int(start_s))) == computed:
                self.usable.setdefault(int(subject), {})[int(grain_s), int(start_s)] = int(computed)

    def cover(self, span: Span, subject: int, grains_s: Iterable[int]) -> Cover:
        return cover(
            span, subject, self.usable.get(subject, {}), grains_s, self.clicked_days.get(subject, frozenset())
        )

    def left_by_days(self, subjects: Sequence[int]) -> set[int]:
        """The days, numbered from 1970, that windows of days leave of the span for any of the subjects."""
        spans = [rest for subject in subjects for rest in self.cover(self._span, subject, (DAY_S,)).rest]
        return {day for begin, end in spans for day in range(begin // _DAY_MS, (end - 1) // _DAY_MS + 1)}


def _by_bucket(known: _Known, span: Span, subject: int, bucket_starts_ms: Sequence[int]) -> Cover:
    found = Cover()
    edges = [*(max(start, span[0]) for start in bucket_starts_ms), span[1]]
    for begin, end in pairwise(edges):
        part = known.cover((begin, end), subject, GRAINS_S)
        found.pieces.extend(part.pieces)
        for rest in part.rest:
            is_next = found.rest and found.rest[-1][1] == rest[0]
            found.rest.append((found.rest.pop()[0], rest[1]) if is_next else rest)
    return found


def _reading(
    scope: Scope, covers: Mapping[int, Cover], others: Sequence[tuple[int, Sequence[Span]]]
) -> Reading:
    rest = [(subject, found.rest) for subject, found in covers.items() if found.rest]
    return Reading(_pieces(covers), _rows_of(scope, [*rest, *others]))


def _rows_of(scope: Scope, spans: Sequence[tuple[int, Sequence[Span]]]) -> list[Part]:
    """Parts for subjects and their spans; links that share theirs share a part."""
    if scope.links is None:
        return [Part(None, found) for _, found in spans]
    alike: dict[tuple[Span, ...], list[int]] = {}
    for link, found in spans:
        alike.setdefault(tuple(found), []).append(link)
    return [Part(tuple(links), found) for found, links in alike.items()]


def _share_of_rest(covers: Mapping[int, Cover], known: _Known, large: Sequence[int]) -> float:
    """Which share of the clicks the windows leave to the rows, by the quarters that these lie in."""
    covered = sum(known.clicks[piece.subject, piece.grain_s, piece.start_s] for piece in _pieces(covers))
    quarter_ms = QUARTER_S * 1000
    left = sum(
        known.clicks.get((subject, QUARTER_S, quarter * QUARTER_S), 0)
        for subject, found in covers.items()
        for begin, end in found.rest
        for quarter in range(begin // quarter_ms, (end - 1) // quarter_ms + 1)
    )
    left += sum(count for subject, count in known.stored.items() if subject not in large)
    return left / max(1, covered + left)


def _pieces(covers: Mapping[int, Cover]) -> list[Piece]:
    return [piece for found in covers.values() for piece in found.pieces]
