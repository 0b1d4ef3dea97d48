"""`smartlinks clicks`: report what the phone's system opened in an app, past the redirect."""

from typing import Any

import click

from api.cli.calls import given, print_answer
from api.cli.connection import Connection


@click.group("clicks")
def group() -> None:
    """Clicks that apps report; `export` writes the rows of all clicks."""


@group.command("report")
@click.argument("short_url")
@click.option("--user-agent", help="Of the phone.")
@click.option("--address", "ip_address", help="Of the phone, IPv4 or IPv6.")
@click.pass_obj
def report(connection: Connection, /, short_url: str, **fields: Any) -> None:
    """Count a click on SHORT_URL that the app opened itself."""
    body = {
        name.replace("_", "-"): value for name, value in given({"short_url": short_url, **fields}).items()
    }
    print_answer(connection, "POST", "/v1/clicks", body)
