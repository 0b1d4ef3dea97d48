"""`smartlinks campaigns` and `tags`: the labels that links bear."""

from typing import Any, Final

import click

from api.cli.calls import limit_option, print_list
from api.cli.connection import Connection

COLUMNS: Final = ("name", "links", "active_links")


def _list_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("-q", "--search", "q", default="", help="Found in the name."),
            limit_option(200),
        )
    ):
        command = option(command)
    return command


@click.command("campaigns")
@_list_options
@click.pass_obj
def campaigns(connection: Connection, q: str, limit: int) -> None:
    """List campaigns with the number of their links. `stats --campaign` has their clicks."""
    print_list(connection, "/v1/campaigns", COLUMNS, limit, q=q)


@click.command("tags")
@_list_options
@click.pass_obj
def tags(connection: Connection, q: str, limit: int) -> None:
    """List tags with the number of their links. `stats --tag` has their clicks."""
    print_list(connection, "/v1/tags", COLUMNS, limit, q=q)
