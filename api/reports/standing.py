"""What is known of the windows in a span: which of them hold, and how many clicks were ever stored.

A window holds while as many changes are known of it as it was computed at. The changes of whole days are read
for every report. Those within a day are kept here, for they are what they were as long as their sum is: none
of them ever goes down. Kept too is which windows were computed; one that is not known here yet costs time and
nothing else, so they are asked for where rows would be read in their place.
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from aggregator.contract import DAY_S, GRAINS_S, LOOK_BACK_DAYS, LOOK_BACK_S, QUARTER_S
from api.reports.cover import Cover, Piece, Span, Usable, cover
from ingest.contract import Warehouse

MAX_SUBJECTS: Final = 500

_DAY_MS: Final = DAY_S * 1000
_QUARTER_MS: Final = QUARTER_S * 1000
_FINE_S: Final = tuple(grain_s for grain_s in GRAINS_S if grain_s < DAY_S)

_OF_SUBJECTS: Final = (
    "tenant = {tenant:String} AND scope = {scope:String} AND subject IN {subjects:Array(UInt64)}"
)
_DAYS: Final = f"""
SELECT subject, toUInt16(day), sum(clicks), sum(marks)
FROM click_days
WHERE {_OF_SUBJECTS} AND day >= toDate({{first_day:UInt16}}) AND day <= toDate({{last_day:UInt16}})
GROUP BY subject, day
"""
_QUARTERS: Final = f"""
SELECT subject, toUInt16(day), toUnixTimestamp(start), sum(clicks), sum(marks)
FROM click_changes
WHERE {_OF_SUBJECTS} AND day IN arrayMap(number -> toDate(number), {{days:Array(UInt16)}})
GROUP BY subject, day, start
"""
# Windows of days and of who returned on them, of the whole span, finer ones of some days.
_VERSIONS: Final = f"""
SELECT subject, grain, toUnixTimestamp(start), max(changes), argMax(detailed, changes) AS is_detailed
FROM rollup_windows
WHERE {_OF_SUBJECTS}
    AND start >= toDateTime(if(grain = {LOOK_BACK_S}, {{look_since:Int64}}, {{since:Int64}}), 'UTC')
    AND start >= toDateTime({{look_since:Int64}}, 'UTC') AND start < toDateTime({{until:Int64}}, 'UTC')
    AND (grain >= {DAY_S} OR toDate(start) IN arrayMap(number -> toDate(number), {{days:Array(UInt16)}}))
GROUP BY subject, grain, start
HAVING is_detailed
"""


class Changes(NamedTuple):
    """Clicks that were ever stored, and marks set on them. Neither goes down."""

    clicks: int
    marks: int

    @property
    def version(self) -> int:
        return self.clicks + self.marks


def add_up(changes: Iterable[Changes]) -> Changes:
    clicks = marks = 0
    for each in changes:
        clicks += each.clicks
        marks += each.marks
    return Changes(clicks, marks)


@dataclass(slots=True)
class _Kept:
    """Of one subject: the quarters of a day (by their start, Unix s) and that day's changes; versions."""

    quarters: dict[int, tuple[Changes, dict[int, Changes]]] = field(default_factory=dict)
    versions: dict[tuple[int, int], int] = field(default_factory=dict)


class Standings:
    """What is kept of one warehouse's large subjects, the last ones asked for. Any thread may use it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, tenant: str, scope: str, subject: int) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault((tenant, scope, subject), _Kept())
            self._kept.move_to_end((tenant, scope, subject))
            while len(self._kept) > MAX_SUBJECTS:
                self._kept.popitem(last=False)
        return kept


_standings: WeakKeyDictionary[Warehouse, Standings] = WeakKeyDictionary()


class Standing:
    """Of some subjects in a span. Blocks.

    `days` has the changes of each subject's days, which are numbered from 1970.
    """

    def __init__(
        self, warehouse: Warehouse, tenant: str, scope: str, subjects: Sequence[int], span: Span
    ) -> None:
        self._warehouse = warehouse
        self._span = span
        self._names = {"tenant": tenant, "scope": scope}
        self._standings = _standings.setdefault(warehouse, Standings())
        self.days: dict[int, dict[int, Changes]] = defaultdict(dict)
        self._earlier: dict[int, dict[int, Changes]] = defaultdict(dict)
        self._quarters: dict[int, dict[int, Changes]] = defaultdict(dict)
        self._usable: dict[int, Usable] = {}
        first_day, last_day = span[0] // _DAY_MS, (span[1] - 1) // _DAY_MS
        rows = self._query(_DAYS, subjects, first_day=max(0, first_day - LOOK_BACK_DAYS), last_day=last_day)
        for subject, day, clicks, marks in rows:
            known = self.days if int(day) >= first_day else self._earlier
            known[int(subject)][int(day)] = Changes(int(clicks), int(marks))

    def stored(self, subject: int) -> int:
        return add_up(self.days[subject].values()).clicks

    def look_within(self, subjects: Sequence[int], days: Collection[int]) -> None:
        """Know the quarters of these days."""
        self._usable.clear()
        unknown: set[int] = set()
        for subject in subjects:
            kept = self._of(subject).quarters
            for day in days:
                changes = self.days[subject].get(day)
                held, quarters = kept.get(day, (None, {}))
                if changes is None or changes == held:
                    self._quarters[subject].update(quarters)
                else:
                    unknown.add(day)
        if not unknown:
            return
        read: dict[tuple[int, int], dict[int, Changes]] = defaultdict(dict)
        for subject, day, start_s, clicks, marks in self._query(_QUARTERS, subjects, days=sorted(unknown)):
            read[int(subject), int(day)][int(start_s)] = Changes(int(clicks), int(marks))
        for (subject, day), quarters in read.items():
            self._quarters[subject].update(quarters)
            # They may be newer than the day's count; then that is the older one, and they are read again.
            self._of(subject).quarters[day] = add_up(quarters.values()), quarters

    def find_computed(self, subjects: Sequence[int], days: Collection[int]) -> None:
        """Ask which windows were computed: of days and more, and finer ones of these days."""
        if not subjects:
            return
        until_s = -(-self._span[1] // _DAY_MS) * DAY_S
        rows = self._query(
            _VERSIONS,
            subjects,
            since=self._span[0] // _DAY_MS * DAY_S,
            look_since=max(0, self._span[0] // _DAY_MS - LOOK_BACK_DAYS) * DAY_S,
            until=until_s,
            days=sorted(days),
        )
        found: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
        for subject, grain_s, start_s, version, _ in rows:
            found[int(subject)][int(grain_s), int(start_s)] = int(version)
        for subject, versions in found.items():
            kept = self._of(subject)
            kept.versions = {**kept.versions, **versions}
        self._usable.clear()

    def knows(self, subject: int) -> bool:
        """Whether any windows of this subject are known here."""
        return bool(self._of(subject).versions)

    def cover(self, span: Span, subject: int, grains_s: Iterable[int]) -> Cover:
        if subject not in self._usable:
            self._usable[subject] = self._find_usable(subject)
        return cover(span, subject, self._usable[subject], grains_s, self.days[subject])

    def _find_usable(self, subject: int) -> Usable:
        """The windows that hold, as far as days and quarters are known."""
        versions = self._of(subject).versions
        live: dict[tuple[int, int], int] = defaultdict(int)
        days = self.days[subject]
        for day, changes in days.items():
            live[DAY_S, day * DAY_S] = changes.version
        for start_s, changes in self._quarters[subject].items():
            for grain_s in _FINE_S:
                live[grain_s, start_s // grain_s * grain_s] += changes.version
        return {window: version for window, version in live.items() if versions.get(window) == version}

    def day(self, subject: int, number: int) -> Piece | None:
        """The window of a day, if it holds."""
        version = self._of(subject).versions.get((DAY_S, number * DAY_S))
        changes = self.days[subject].get(number)
        holds = changes is not None and changes.version == version
        return (
            Piece(subject, DAY_S, number * DAY_S, changes.version) if changes is not None and holds else None
        )

    def returns(self, subject: int, number: int) -> tuple[Piece | None, int]:
        """Who returned on a day, as it was computed last (None: never), and how much changed since."""
        first = number - LOOK_BACK_DAYS
        version = self._of(subject).versions.get((LOOK_BACK_S, first * DAY_S))
        known = {**self._earlier[subject], **self.days[subject]}
        changes = add_up(known[day] for day in range(first, number + 1) if day in known)
        if version is None:
            return None, changes.version
        return Piece(subject, LOOK_BACK_S, first * DAY_S, version), abs(changes.version - version)

    def clicks_in(self, subject: int, spans: Iterable[Span]) -> int:
        """How many were stored in the quarters that these spans touch, as far as quarters are known."""
        quarters = self._quarters[subject]
        return sum(
            quarters[quarter * QUARTER_S].clicks
            for begin, end in spans
            for quarter in range(begin // _QUARTER_MS, (end - 1) // _QUARTER_MS + 1)
            if quarter * QUARTER_S in quarters
        )

    def changes_from(self, subject: int, begin_ms: int, end_ms: int) -> Changes:
        """Of the quarters from one's start to another's."""
        return add_up(
            changes
            for start_s, changes in self._quarters[subject].items()
            if begin_ms <= start_s * 1000 < end_ms
        )

    def has_whole_quarters(self, subject: int, spans: Iterable[Span]) -> bool:
        """Whether quarters with clicks lie in one of these spans from their start to their end."""
        return any(
            quarter * QUARTER_S in self._quarters[subject]
            for begin, end in spans
            for quarter in range(-(-begin // _QUARTER_MS), end // _QUARTER_MS)
        )

    def _of(self, subject: int) -> _Kept:
        return self._standings.of(self._names["tenant"], self._names["scope"], subject)

    def _query(self, sql: str, subjects: Sequence[int], **parameters: object) -> Sequence[tuple[int, ...]]:
        return self._warehouse.query(sql, {**self._names, "subjects": subjects, **parameters})
