"""One call of the API and its answer on the terminal: what most commands are."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from api.cli.connection import Connection
from api.cli.output import counted, print_fields, print_json, print_table

Command = TypeVar("Command", bound=Callable[..., Any])

MAX_PAGE: Final = 200
"""Every list of the API that has pages gives as many at once."""


def print_list(
    connection: Connection, path: str, columns: Sequence[str], limit: int | None = None, **filters: object
) -> None:
    """A list of the API, all its pages or the first `limit` items; with --json one array of the items."""
    page = None if limit is None else min(limit, MAX_PAGE)
    with connection.open() as client:
        found = list(counted(islice(client.items(path, limit=page, **filters), limit), "Found"))
    if connection.as_json:
        print_json(found)
    else:
        print_table(found, columns)


def print_answer(connection: Connection, method: str, path: str, body: object = None) -> None:
    """The answer to one call; nothing where nothing is answered."""
    with connection.open() as client:
        answer = client.call(method, path, body)
    if not answer:
        return
    if connection.as_json:
        print_json(answer)
    else:
        print_fields(answer)


def print_change(connection: Connection, path: str, fields: Mapping[str, Any]) -> None:
    """What a thing is after the fields were changed that were given. One must be."""
    print_answer(connection, "PATCH", path, changes(fields))


def changes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body that changes what was given; an error of use where nothing was."""
    body = given(fields)
    if not body:
        raise click.UsageError("Nothing to change: give at least one option (see --help).")
    return body


def limit_option(default: int = 50) -> Callable[[Command], Command]:
    """`--limit`, of a list."""
    at_least_one = click.IntRange(min=1)
    return click.option(
        "--limit", default=default, show_default=True, type=at_least_one, help="How many at the most."
    )


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body: the options that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def segment(text: str) -> str:
    """As a segment of a path."""
    return quote(text, safe="")
