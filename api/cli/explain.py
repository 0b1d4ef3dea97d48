"""`smartlinks links explain`: why a click is judged and routed as it is."""

from typing import Any, Final

import click

from api.cli.calls import given, segment
from api.cli.connection import Connection
from api.cli.output import print_fields, print_json

SHOWN: Final = ("verdict", "rule", "rules_version", "route", "outcome", "destination")
OF_THE_ROW: Final = ("country", "region", "city", "os", "os_version", "browser", "browser_version", "device")


@click.command("explain")
@click.argument("link_id")
@click.option("--user-agent", required=True, help="Of the request; an empty text for none.")
@click.option("--address", "ip", required=True, help="Where the request comes from, IPv4 or IPv6.")
@click.option("--code", help="A recipient's code; the link's own if left out.")
@click.option("--method", type=click.Choice(["GET", "HEAD"]))
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="May be given several times.")
@click.option("--at", help="RFC 3339, when it comes; now if left out.")
@click.pass_obj
def explain(connection: Connection, /, link_id: str, user_agent: str, **options: Any) -> None:
    """Tell what a click like this would get. Nothing is counted."""
    body = {**given(options), "user_agent": user_agent}
    if "headers" in body:
        body["headers"] = dict(map(_read_header, body["headers"]))
    with connection.open() as client:
        answer = client.call("POST", f"/v1/links/{segment(link_id)}/explain", body)
    if connection.as_json:
        print_json(answer)
        return
    row = answer["columns"] or {}
    print_fields({name: answer[name] for name in SHOWN} | {name: row.get(name) for name in OF_THE_ROW})


def _read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (name.strip() and colon):
        raise click.BadParameter("NAME:VALUE is wanted", param_hint="--header")
    return name.strip(), value.strip()
