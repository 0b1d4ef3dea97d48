"""Decides what a report reads: rollups where they hold and are worth it, the rows else.

Few clicks are counted from the rows, exactly. So are those of which the rollups cover too little.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from aggregator.contract import DAY_S, DETAILED_FROM_CLICKS, EXACT_UP_TO_CLICKS, GRAINS_S, QUARTER_S
from api.reports.cover import Cover, Piece, Span
from api.reports.days import WholeDays, whole_days
from api.reports.kept_rows import Kept
from api.reports.query import Scope
from api.reports.rows import Part
from api.reports.standing import Standing, add_up
from ingest.contract import Warehouse

# With more than this share of the clicks outside of the windows, these save nothing.
MAX_REST: Final = 0.5
# So many rows of one subject are kept in memory, where one statement a report adds the newest.
KEPT_UP_TO_CLICKS: Final = EXACT_UP_TO_CLICKS
# Where it is not known who returned, up to so many clicks are counted from the rows, a million a second.
ROWS_IN_NEED: Final = 10 * EXACT_UP_TO_CLICKS
# What is known of who returned serves while no more than this share of all clicks changed since.
MAX_CHANGED: Final = 0.005

_COARSE_S: Final = (DAY_S,)
_DAY_MS: Final = DAY_S * 1000
_QUARTER_MS: Final = QUARTER_S * 1000
# Of so many clicks in the range a subject's windows are looked for; of fewer, its rows are read.
_LARGE_FROM_CLICKS: Final = 1_000
# Links with windows of their own in a report on many links; of those beyond, the rows are read.
_MAX_SUBJECTS: Final = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """Windows of the rollups, and the rows that they don't cover."""

    pieces: Sequence[Piece]
    rest: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read for totals and breakdowns, and for the series; its windows lie in one bucket each.

    `days` are the windows of the totals that are of whole days, up to the last of which it is known who
    returned. The rest's end lies in `kept`, or all that is to be read: the part of it from `kept.begin_ms`
    on.
    """

    window_scope: str
    totals: Reading
    series: Reading
    kept: Kept | None = None
    days: WholeDays | None = None

    def is_added_up(self, piece: Piece) -> bool:
        """Whether this window of the totals is added up here, key by key, and not with whole days."""
        return self.days is None or piece not in self.days.pieces


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
    everything = Reading((), _rows_of(scope, [(subject, [span]) for subject in subjects]))
    only_rows = Plan(window_scope, everything, everything)
    standing = Standing(warehouse, scope.tenant, window_scope, subjects, span)
    clicks = {subject: standing.stored(subject) for subject in subjects}
    large = [subject for subject, count in clicks.items() if count >= _LARGE_FROM_CLICKS]
    if sum(clicks.values()) <= EXACT_UP_TO_CLICKS or len(large) > _MAX_SUBJECTS:
        return replace(only_rows, kept=_whole(standing, window_scope, subjects, span))
    totals = _covers(standing, large, span, everywhere=not one_bucket_a_window)
    others = [(subject, [span]) for subject in subjects if subject not in totals]
    left = sum(standing.clicks_in(subject, found.rest) for subject, found in totals.items())
    left += sum(clicks[subject] for subject, _ in others)
    reading = _reading(scope, totals, others)
    if not reading.pieces or left > MAX_REST * sum(clicks.values()):
        return only_rows
    is_needed = any(_is_unknown(standing, subject, found, span) for subject, found in totals.items())
    if is_needed and sum(clicks.values()) <= ROWS_IN_NEED:
        return only_rows
    series = {subject: _by_bucket(standing, span, subject, bucket_starts_ms) for subject in large}
    return Plan(
        window_scope,
        reading,
        _reading(scope, series, others),
        _tail(standing, window_scope, totals, span),
        _whole_days(standing, span, reading.pieces),
    )


def _subjects(warehouse: Warehouse, scope: Scope) -> tuple[str, list[int]]:
    if scope.links is not None:
        return "link", list(scope.links)
    if scope.domain is not None:
        ((subject,),) = warehouse.query("SELECT cityHash64({domain:String})", {"domain": scope.domain})
        return "domain", [int(subject)]
    return "tenant", [0]


def _covers(standing: Standing, subjects: Sequence[int], span: Span, *, everywhere: bool) -> dict[int, Cover]:
    """The windows of each subject that hold, looked for again where those known leave more than need be."""
    edges = {span[0] // _DAY_MS, (span[1] - 1) // _DAY_MS}
    standing.find_computed([each for each in subjects if not standing.knows(each)], edges)
    days, covers = _cover_by_known(standing, subjects, span, edges, everywhere=everywhere)
    poor = [subject for subject, found in covers.items() if _is_poor(standing, subject, found)]
    if poor:
        standing.find_computed(poor, days)
        _, again = _cover_by_known(standing, poor, span, edges, everywhere=everywhere)
        covers |= again
    return covers


def _cover_by_known(
    standing: Standing, subjects: Sequence[int], span: Span, edges: Collection[int], *, everywhere: bool
) -> tuple[set[int], dict[int, Cover]]:
    """Also the days within which there was a look."""
    days = set(edges)
    for subject in subjects:
        if everywhere:
            days.update(standing.days[subject])
        for begin, end in standing.cover(span, subject, _COARSE_S).rest:
            days.update(range(begin // _DAY_MS, (end - 1) // _DAY_MS + 1))
    standing.look_within(subjects, days)
    return days, {subject: standing.cover(span, subject, GRAINS_S) for subject in subjects}


def _is_poor(standing: Standing, subject: int, found: Cover) -> bool:
    """Whether windows that were computed lately might serve it better."""
    days = (piece.start_s // DAY_S for piece in found.pieces if piece.grain_s == DAY_S)
    is_unsure = any(standing.returns(subject, day)[1] for day in days)
    return is_unsure or standing.has_whole_quarters(subject, found.rest)


def _is_unknown(standing: Standing, subject: int, found: Cover, span: Span) -> bool:
    """Whether it is not known well who came and returned on some day; the latest may be told without."""
    whole = {piece.start_s // DAY_S for piece in found.pieces if piece.grain_s == DAY_S}
    first, last = -(-span[0] // _DAY_MS), span[1] // _DAY_MS
    days = [
        day
        for day, changes in sorted(standing.days[subject].items())
        if first <= day < last and changes.clicks >= DETAILED_FROM_CLICKS
    ]
    while days and standing.returns(subject, days[-1])[0] is None:
        del days[-1]
    if not days:
        return bool(whole)
    tolerated = MAX_CHANGED * standing.stored(subject)
    return not whole.issuperset(days) or any(
        piece is None or changed > tolerated
        for piece, changed in (standing.returns(subject, day) for day in days)
    )


def _days(pieces: Iterable[Piece], span: Span) -> list[int]:
    """The days in which windows begin, but for the first one where that is cut."""
    return sorted({piece.start_s // DAY_S for piece in pieces if piece.start_s // DAY_S * _DAY_MS >= span[0]})


def _whole_days(standing: Standing, span: Span, pieces: Sequence[Piece]) -> WholeDays | None:
    """With who returned on each, as it was computed last: a few changes since are no great matter."""
    subjects = sorted({piece.subject for piece in pieces if piece.grain_s == DAY_S})
    returns = (
        standing.returns(subject, day)[0]
        for subject in subjects
        for day in _days((piece for piece in pieces if piece.subject == subject), span)
    )
    head = (standing.day(subject, span[0] // _DAY_MS) for subject in subjects)
    begins_within = span[0] % _DAY_MS != 0
    return whole_days(span, pieces, [*filter(None, returns)], [*filter(None, head)] if begins_within else [])


def _by_bucket(standing: Standing, span: Span, subject: int, bucket_starts_ms: Sequence[int]) -> Cover:
    found = Cover()
    edges = [*(max(start, span[0]) for start in bucket_starts_ms), span[1]]
    for begin, end in pairwise(edges):
        part = standing.cover((begin, end), subject, GRAINS_S)
        found.pieces.extend(part.pieces)
        for rest in part.rest:
            is_next = found.rest and found.rest[-1][1] == rest[0]
            found.rest.append((found.rest.pop()[0], rest[1]) if is_next else rest)
    return found


def _whole(standing: Standing, scope: str, subjects: Sequence[int], span: Span) -> Kept | None:
    """All rows of the days in a span, where they are of one subject and few."""
    changes = add_up(change for subject in subjects for change in standing.days[subject].values())
    if len(subjects) != 1 or changes.clicks > KEPT_UP_TO_CLICKS:
        return None
    begin, end = span[0] // _DAY_MS * _DAY_MS, -(-span[1] // _DAY_MS) * _DAY_MS
    return Kept(scope, subjects[0], begin, end, changes)


def _tail(standing: Standing, scope: str, covers: Mapping[int, Cover], span: Span) -> Kept | None:
    """The rows behind the last window, up to midnight: of one subject, of the open quarter or little more."""
    if len(covers) != 1:
        return None
    ((subject, found),) = covers.items()
    begin, end = found.rest[-1] if found.rest else (0, 0)
    midnight = (begin // _DAY_MS + 1) * _DAY_MS
    if end != span[1] or end > midnight or begin % _QUARTER_MS:
        return None
    changes = standing.changes_from(subject, begin, midnight)
    is_kept = changes.clicks <= KEPT_UP_TO_CLICKS
    return Kept(scope, subject, begin, midnight, changes) if is_kept else None


def _reading(
    scope: Scope, covers: Mapping[int, Cover], others: Sequence[tuple[int, Sequence[Span]]]
) -> Reading:
    rest = [(subject, found.rest) for subject, found in covers.items() if found.rest]
    pieces = [piece for found in covers.values() for piece in found.pieces]
    return Reading(pieces, _rows_of(scope, [*rest, *others]))


def _rows_of(scope: Scope, spans: Sequence[tuple[int, Sequence[Span]]]) -> list[Part]:
    """Parts for subjects and their spans; links that share theirs share a part."""
    if scope.links is None:
        return [Part(None, found) for _, found in spans]
    alike: dict[tuple[Span, ...], list[int]] = {}
    for link, found in spans:
        alike.setdefault(tuple(found), []).append(link)
    return [Part(tuple(links), found) for found, links in alike.items()]
