"""Columns of a block: plain sequences, numpy arrays of numbers, and columns that are codes of few values."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]
Column = Sequence[Any] | NDArray[Any]


class CodedColumn(Sequence[Any]):
    """A column as its values, each once or few times, and for each row the index of its value.

    What is computed from the values is computed once a value, not once a row; and a block bears them as they
    are where the warehouse's column is one of low cardinality.
    """

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[Any], codes: Codes) -> None:
        self.values: Final = values
        self.codes: Final = codes

    @classmethod
    def of(cls, rows: Sequence[Hashable]) -> "CodedColumn":
        """Of plain rows; each value once, in the order of their first rows."""
        places = _Places()
        codes = np.fromiter(map(places.__getitem__, rows), np.intp, len(rows))
        return cls(list(places), codes)

    @classmethod
    def joined(cls, columns: Sequence["CodedColumn"]) -> "CodedColumn":
        """One behind the other. A value of several is there several times."""
        values: list[Any] = []
        codes = []
        for column in columns:
            codes.append(column.codes + len(values))
            values += column.values
        return cls(values, np.concatenate(codes))

    def distinct(self) -> "CodedColumn":
        """The same rows, each value once."""
        places = {value: place for place, value in enumerate(dict.fromkeys(self.values))}
        if len(places) == len(self.values):
            return self
        place_of = np.fromiter(map(places.__getitem__, self.values), np.intp, len(self.values))
        return CodedColumn(list(places), place_of[self.codes])

    def count(self, value: Any) -> int:
        counts = np.bincount(self.codes, minlength=len(self.values))
        return int(sum(counts[place] for place, other in enumerate(self.values) if other == value))

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Any]:
        return map(self.values.__getitem__, self.codes.tolist())

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> "CodedColumn": ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return CodedColumn(self.values, self.codes[at])
        return self.values[self.codes[at]]


def grouped(objects: Sequence[object]) -> CodedColumn:
    """As `CodedColumn.of`, of objects that are the same where they are one."""
    ids = list(map(id, objects))
    first = dict(zip(ids, objects, strict=True))
    places = dict(zip(first, range(len(first)), strict=True))
    return CodedColumn(list(first.values()), np.fromiter(map(places.__getitem__, ids), np.intp, len(ids)))


class _Places(dict[Hashable, int]):
    """The place of each value, given out in the order in which they are first asked for."""

    def __missing__(self, value: Hashable) -> int:
        place = self[value] = len(self)
        return place


def count_of(column: Column, value: object) -> int:
    """In how many rows it stands."""
    return column.count(value) if isinstance(column, Sequence) else int(np.count_nonzero(column == value))


def row_of(columns: Mapping[str, Column], at: int) -> dict[str, Any]:
    """One row, its numbers as Python's own."""
    row = {name: column[at] for name, column in columns.items()}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
