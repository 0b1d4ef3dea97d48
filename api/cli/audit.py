"""`smartlinks audit`: who changed what, when and from where."""

from itertools import islice
from typing import Any, Final

import click

from api.cli.calls import MAX_PAGE, limit_option
from api.cli.connection import Connection
from api.cli.output import print_json, print_table

COLUMNS: Final = ("at", "actor", "address", "method", "path", "status", "changes", "request_id")


@click.command("audit")
@click.option("--actor", help="A key's id, or a person's subject.")
@click.option("--from", "start", help="RFC 3339, the first moment.")
@click.option("--to", "end", help="RFC 3339, not included.")
@limit_option()
@click.pass_obj
def audit(
    connection: Connection, actor: str | None, start: str | None, end: str | None, *, limit: int
) -> None:
    """List the account's changes, newest first."""
    filters = {"actor": actor, "from": start, "to": end, "limit": min(limit, MAX_PAGE)}
    with connection.open() as client:
        found = list(islice(client.items("/v1/audit", **filters), limit))
    if connection.as_json:
        print_json(found)
    else:
        print_table(map(_row, found), COLUMNS)


def _row(record: dict[str, Any]) -> dict[str, Any]:
    actor = record["actor"]
    return {**record, "actor": f"{actor['kind']} {actor['id']}", "changes": record["change_count"]}
