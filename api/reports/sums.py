"""The windows that a plan reads, added up once for all reports that read the same ones."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby

from aggregator.contract import DAY_S, TOTAL
from api.reports.cover import Piece
from api.reports.days import read_days
from api.reports.memory import Memory
from api.reports.plan import Plan
from api.reports.window_cache import Column
from api.reports.windows import Overlap, Windows, WindowSum, sum_days, sum_windows
from ingest.contract import Warehouse


def sums_of(
    warehouse: Warehouse,
    memory: Memory,
    tenant: str,
    plan: Plan,
    columns: Mapping[tuple[Piece, str], Column],
    by: Sequence[str],
) -> Mapping[str, WindowSum]:
    """The windows of the plan's totals added up, of everything and by dimension; {} where there are none."""
    pieces, days = plan.totals.pieces, plan.days
    dimensions = (TOTAL, *by)
    if not pieces:
        return {}
    first_s = min((piece.start_s for piece in days.pieces), default=0) if days else 0
    known_s = days.known_s if days else 0
    added_up = [piece for piece in pieces if plan.is_added_up(piece)]
    head = [piece for piece in added_up if piece.start_s < first_s]
    tail = [piece for piece in added_up if piece.start_s >= max(first_s, known_s)]
    parted = [piece for piece in added_up if first_s <= piece.start_s < known_s]
    of_days = [[*each] for _, each in groupby(parted, lambda piece: (piece.subject, piece.start_s // DAY_S))]

    def of(dimension: str) -> Windows:
        return Windows(
            [columns[piece, dimension] for piece in head],
            [columns[piece, TOTAL] for piece in days.pieces] if days else (),
            [columns[piece, dimension] for piece in tail],
            [[columns[piece, dimension] for piece in each] for each in of_days],
        )

    def add_up() -> Mapping[str, WindowSum]:
        if days is None:
            return {dimension: sum_windows(of(dimension).tail) for dimension in dimensions}
        sums = memory.days.get(
            (tenant, plan.window_scope, dimensions, days),
            partial(read_days, warehouse, tenant, plan.window_scope, days, dimensions, memory.windows.names),
        )
        overlap = Overlap.of(of(TOTAL), sums[TOTAL], days)
        return {each: sum_days(sums[each], of(each), days, overlap) for each in dimensions}

    return memory.sums.get((tenant, plan.window_scope, dimensions, tuple(pieces), days), add_up)
