"""`smartlinks keys`, `tenants` and `domains`."""

from typing import Any
from urllib.parse import quote

import click

from api.cli.connection import Connection
from api.cli.output import print_fields, print_json, print_table


def _print_list(connection: Connection, path: str, columns: tuple[str, ...]) -> None:
    with connection.open() as client:
        found = list(client.items(path))
    if connection.as_json:
        print_json(found)
    else:
        print_table(found, columns)


def _print_one(connection: Connection, method: str, path: str, body: object = None) -> None:
    with connection.open() as client:
        answer = client.call(method, path, body)
    if connection.as_json:
        print_json(answer)
    elif answer:
        print_fields(answer)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, ())}


@click.group()
def keys() -> None:
    """Service keys of the account."""


@keys.command("list")
@click.pass_obj
def list_keys(connection: Connection) -> None:
    """List keys; the keys themselves are never shown again."""
    _print_list(connection, "/v1/keys", ("id", "name", "ending", "scopes", "status", "last_used_at"))


@keys.command("create")
@click.option("--name")
@click.option(
    "--scope", "scopes", multiple=True, help="admin, edit, send, report, click; may be given again."
)
@click.option("--address", "addresses", multiple=True, help="Address or network it works from.")
@click.option("--expires-at", help="RFC 3339.")
@click.pass_obj
def create_key(connection: Connection, /, **fields: Any) -> None:
    """Make a key. It is shown once: keep it."""
    _print_one(connection, "POST", "/v1/keys", _given(fields))


@keys.command("rotate")
@click.argument("key_id")
@click.option("--overlap-s", type=int, default=86_400, show_default=True, help="How long the former works.")
@click.pass_obj
def rotate_key(connection: Connection, key_id: str, overlap_s: int) -> None:
    """Replace a key by a new one, shown once."""
    path = f"/v1/keys/{quote(key_id, safe='')}/rotate"
    _print_one(connection, "POST", path, {"overlap_s": overlap_s})


@keys.command("revoke")
@click.argument("key_id")
@click.confirmation_option(prompt="Whoever uses this key is refused from now on. Go on?")
@click.pass_obj
def revoke_key(connection: Connection, key_id: str) -> None:
    """Revoke a key at once."""
    _print_one(connection, "DELETE", f"/v1/keys/{quote(key_id, safe='')}")


@click.group()
def tenants() -> None:
    """Tenants: the accounts of this installation."""


@tenants.command("list")
@click.pass_obj
def list_tenants(connection: Connection) -> None:
    """List tenants."""
    _print_list(connection, "/v1/tenants", ("id", "name", "retention_days", "created_at"))


@tenants.command("create")
@click.argument("tenant_id")
@click.option("--name")
@click.pass_obj
def create_tenant(connection: Connection, tenant_id: str, name: str | None) -> None:
    """Make a tenant."""
    _print_one(connection, "POST", "/v1/tenants", {"id": tenant_id, **_given({"name": name})})


@tenants.command("show")
@click.argument("tenant_id")
@click.pass_obj
def show_tenant(connection: Connection, tenant_id: str) -> None:
    """Show a tenant."""
    _print_one(connection, "GET", f"/v1/tenants/{quote(tenant_id, safe='')}")


@click.group()
def domains() -> None:
    """Domains of short URLs."""


@domains.command("list")
@click.pass_obj
def list_domains(connection: Connection) -> None:
    """List domains."""
    with connection.open() as client:
        found = client.call("GET", "/v1/domains")["data"]
    if connection.as_json:
        print_json(found)
    else:
        print_table(found, ("host", "is_default", "not_found_url", "expired_url"))


@domains.command("create")
@click.argument("host")
@click.option("--not-found-url")
@click.option("--expired-url")
@click.pass_obj
def create_domain(connection: Connection, /, host: str, **fields: Any) -> None:
    """Add a domain."""
    _print_one(connection, "POST", "/v1/domains", {"host": host, **_given(fields)})


@domains.command("delete")
@click.argument("host")
@click.confirmation_option(prompt="Go on?")
@click.pass_obj
def delete_domain(connection: Connection, host: str) -> None:
    """Delete a domain on which no links stand."""
    _print_one(connection, "DELETE", f"/v1/domains/{quote(host, safe='')}")
