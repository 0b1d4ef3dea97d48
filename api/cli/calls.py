"""One call of the API and its answer on the terminal: what most commands are."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from api.cli.connection import Connection
from api.cli.output import counted, print_fields, print_json, print_table

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


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a body: the options that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def segment(text: str) -> str:
    """As a segment of a path."""
    return quote(text, safe="")
