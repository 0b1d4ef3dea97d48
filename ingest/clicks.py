"""Clicks as columns: a batch is cut, rid of repeats and enriched so, with no object for each click."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from operator import attrgetter
from typing import Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from ingest.columns import CodedColumn, grouped
from ingest.decode import Click, Headers


@dataclass(frozen=True, slots=True, eq=False)
class Clicks(Sequence[Click]):
    """The fields of `Click`, in its order, each as a column. As a sequence it makes its clicks one by one.

    Sources are there once each; the same headers may be there a few times.
    """

    source: CodedColumn
    seq: NDArray[np.int64]
    ts_ms: NDArray[np.int64]
    host: CodedColumn
    code: Sequence[str]
    link: NDArray[np.int64]
    tenant: CodedColumn
    personal: NDArray[np.bool_]
    method: CodedColumn
    route: CodedColumn
    outcome: CodedColumn
    ip: Sequence[str]
    headers: CodedColumn

    @classmethod
    def of(cls, clicks: Sequence[Click]) -> "Clicks":
        """Of clicks that were decoded one by one."""
        if isinstance(clicks, Clicks):
            return clicks

        def rows(name: str) -> list[Any]:
            return list(map(attrgetter(name), clicks))

        return cls(
            source=CodedColumn.of(rows("source")),
            seq=np.array(rows("seq"), np.int64),
            ts_ms=np.array(rows("ts_ms"), np.int64),
            host=CodedColumn.of(rows("host")),
            code=rows("code"),
            link=np.array(rows("link"), np.int64),
            tenant=CodedColumn.of(rows("tenant")),
            personal=np.array(rows("personal"), np.bool_),
            method=CodedColumn.of(rows("method")),
            route=CodedColumn.of(rows("route")),
            outcome=CodedColumn.of(rows("outcome")),
            ip=rows("ip"),
            headers=grouped(rows("headers")),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Clicks]") -> "Clicks":
        """All of these, one at least, one behind the other."""
        return parts[0] if len(parts) == 1 else cls(*map(_join, zip(*map(cls._columns, parts), strict=True)))

    def __len__(self) -> int:
        return len(self.seq)

    def __iter__(self) -> Iterator[Click]:
        columns = map(plain_values, self._columns())
        return map(Click, *columns)

    @overload
    def __getitem__(self, at: int) -> Click: ...
    @overload
    def __getitem__(self, at: slice) -> "Clicks": ...
    def __getitem__(self, at: int | slice) -> "Click | Clicks":
        if isinstance(at, slice):
            return Clicks(*(column[at] for column in self._columns()))
        row = range(len(self))[at]
        (click,) = self[row : row + 1]
        return click

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # as of any that are equal by what they hold

    def _columns(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]


def _join(columns: tuple[Any, ...]) -> Any:
    """The same column of several."""
    match columns[0]:
        case np.ndarray():
            return np.concatenate(columns)
        case CodedColumn():
            joined = CodedColumn.joined(columns)
            if not isinstance(joined.values[0], Headers):
                return joined.distinct()
            shared = grouped(joined.values)
            return CodedColumn(shared.values, shared.codes[joined.codes])
        case _:
            return list(chain.from_iterable(columns))


def plain_values(column: Sequence[Any] | NDArray[Any]) -> Sequence[Any]:
    """A column's values as Python has them, one a row."""
    return cast("list[Any]", column.tolist()) if isinstance(column, np.ndarray) else column
