"""Answers on the terminal: tables, bars and progress for people; JSON, a value a line, for programs."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

BARS: Final = "▁▂▃▄▅▆▇█"
BAR_WIDTH: Final = 24
_WHOLE: Final = frozenset({"id", "messageId"})
"""Columns that are copied from."""

Item = TypeVar("Item")

# What is shown comes from elsewhere: square brackets and colons in it are no markup.
stdout = Console(markup=False, emoji=False, highlight=False)
stderr = Console(stderr=True, markup=False, emoji=False, highlight=False)


def print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], title: str | None = None) -> None:
    """Columns are the rows' fields; what a row lacks stays empty."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    stdout.print(table)


def print_fields(record: Mapping[str, Any]) -> None:
    """One record, a field a line."""
    table = Table(show_header=False, box=None)
    for name, value in record.items():
        table.add_row(name.replace("_", " "), _cell(value))
    stdout.print(table)


def print_shares(title: str, shares: Sequence[Mapping[str, Any]]) -> None:
    """A breakdown with a bar each, the longest for the most clicks."""
    most = max((share["clicks"] for share in shares), default=0) or 1
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for share in shares:
        bar = "█" * max(1, round(BAR_WIDTH * share["clicks"] / most))
        table.add_row(share["key"] or "unknown", f"{share['clicks']:,}", bar)
    stdout.print(table)


def sparkline(values: Sequence[int]) -> str:
    """A character a value, as high as the value is beside the highest."""
    highest = max(values, default=0) or 1
    return "".join(BARS[round((len(BARS) - 1) * value / highest)] for value in values)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Progress]:
    """A progress bar on stderr while many things are done; none where stderr is no terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        console=stderr,
        disable=not stderr.is_terminal,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # above the bar; but what goes to a file must stay out of it
    ) as progress:
        progress.add_task(what, total=total)
        yield progress


def counted(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """The items, with their number on a progress bar."""
    with counting(what, total) as progress:
        (task,) = progress.task_ids
        for item in items:
            yield item
            progress.advance(task)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return orjson.dumps(value).decode()
        case _:
            return str(value)
