"""`smartlinks domains`."""

from typing import Any, Final

import click
import orjson

from api.cli.calls import changes, given, print_answer, print_list, segment
from api.cli.connection import Connection

FILES: Final = ("apple_app_site_association", "assetlinks")


@click.group("domains")
def group() -> None:
    """Domains of short URLs."""


@group.command("list")
@click.pass_obj
def list_domains(connection: Connection) -> None:
    """List domains."""
    print_list(connection, "/v1/domains", ("host", "is_default", "not_found_url", "expired_url"))


def _domain_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--not-found-url", help="Where codes that lead nowhere are sent."),
            click.option("--expired-url", help="Where expired links are sent."),
            click.option("--apple-app-site-association", type=click.File("rb"), help="A JSON file to serve."),
            click.option("--assetlinks", type=click.File("rb"), help="A JSON file to serve."),
        )
    ):
        command = option(command)
    return command


@group.command("create")
@click.argument("host")
@_domain_options
@click.pass_obj
def create_domain(connection: Connection, /, **fields: Any) -> None:
    """Add a domain."""
    print_answer(connection, "POST", "/v1/domains", _body(fields))


@group.command("show")
@click.argument("host")
@click.pass_obj
def show_domain(connection: Connection, host: str) -> None:
    """Show a domain with its pages and files."""
    print_answer(connection, "GET", f"/v1/domains/{segment(host)}")


@group.command("update")
@click.argument("host")
@_domain_options
@click.pass_obj
def update_domain(connection: Connection, /, host: str, **fields: Any) -> None:
    """Change what is given of a domain; an empty text takes a field away."""
    body = {name: None if value == "" else value for name, value in changes(_body(fields)).items()}
    print_answer(connection, "PATCH", f"/v1/domains/{segment(host)}", body)


@group.command("delete")
@click.argument("host")
@click.confirmation_option(prompt="Its codes are never given again. Go on?")
@click.pass_obj
def delete_domain(connection: Connection, host: str) -> None:
    """Delete a domain on which no links stand."""
    print_answer(connection, "DELETE", f"/v1/domains/{segment(host)}")


def _body(options: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given, with what stands in the files."""
    fields = given(options)
    for name in FILES:
        if name in fields:
            try:
                fields[name] = orjson.loads(fields[name].read())
            except orjson.JSONDecodeError as error:
                hint = f"--{name.replace('_', '-')}"
                raise click.BadParameter(f"this is no JSON: {error}", param_hint=hint) from None
    return fields
