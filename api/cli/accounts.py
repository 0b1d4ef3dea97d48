"""`smartlinks keys` and `tenants`."""

from typing import Any, Final

import click

from api.cli.calls import given, print_answer, print_change, print_list, segment
from api.cli.connection import Connection

ADDRESS_PRIVACY: Final = ("whole", "truncated", "hashed", "none")
RECIPIENT_PRIVACY: Final = ("clear", "hmac")


@click.group()
def keys() -> None:
    """Service keys of the account."""


@keys.command("list")
@click.pass_obj
def list_keys(connection: Connection) -> None:
    """List keys; the keys themselves are never shown again."""
    print_list(connection, "/v1/keys", ("id", "name", "ending", "scopes", "status", "last_used_at"))


def _key_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--name"),
            click.option(
                "--scope",
                "scopes",
                multiple=True,
                help="admin, edit, send, report, click; may be given again.",
            ),
            click.option("--address", "addresses", multiple=True, help="Address or network it works from."),
            click.option("--messages-per-s", type=int, help="SMS messages a second."),
            click.option("--expires-at", help="RFC 3339."),
        )
    ):
        command = option(command)
    return command


@keys.command("create")
@_key_options
@click.option("--tenant", help="Of this tenant, such as its first key; of your own account if left out.")
@click.pass_obj
def create_key(connection: Connection, /, tenant: str | None, **fields: Any) -> None:
    """Make a key. It is shown once: keep it."""
    path = "/v1/keys" if tenant is None else f"/v1/tenants/{segment(tenant)}/keys"
    print_answer(connection, "POST", path, given(fields))


@keys.command("show")
@click.argument("key_id")
@click.pass_obj
def show_key(connection: Connection, key_id: str) -> None:
    """Show a key, without the key itself."""
    print_answer(connection, "GET", f"/v1/keys/{segment(key_id)}")


@keys.command("update")
@click.argument("key_id")
@_key_options
@click.pass_obj
def update_key(connection: Connection, /, key_id: str, **fields: Any) -> None:
    """Change what is given of a key; lists are replaced as a whole."""
    print_change(connection, f"/v1/keys/{segment(key_id)}", fields)


@keys.command("rotate")
@click.argument("key_id")
@click.option("--overlap-s", type=int, default=86_400, show_default=True, help="How long the former works.")
@click.pass_obj
def rotate_key(connection: Connection, key_id: str, overlap_s: int) -> None:
    """Replace a key by a new one, shown once."""
    print_answer(connection, "POST", f"/v1/keys/{segment(key_id)}/rotate", {"overlap_s": overlap_s})


@keys.command("revoke")
@click.argument("key_id")
@click.confirmation_option(prompt="Whoever uses this key is refused from now on. Go on?")
@click.pass_obj
def revoke_key(connection: Connection, key_id: str) -> None:
    """Revoke a key at once."""
    print_answer(connection, "DELETE", f"/v1/keys/{segment(key_id)}")


@click.group()
def tenants() -> None:
    """Tenants: the accounts of this installation. `keys create --tenant` makes the first key of one."""


@tenants.command("list")
@click.pass_obj
def list_tenants(connection: Connection) -> None:
    """List tenants."""
    print_list(connection, "/v1/tenants", ("id", "name", "active", "retention_days", "created_at"))


def _tenant_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--name"),
            click.option("--retention-days", type=int, help="How long its clicks are kept."),
            click.option(
                "--address-privacy",
                type=click.Choice(ADDRESS_PRIVACY),
                help="How addresses of clicks are kept.",
            ),
            click.option(
                "--recipient-privacy", type=click.Choice(RECIPIENT_PRIVACY), help="How recipients are kept."
            ),
        )
    ):
        command = option(command)
    return command


@tenants.command("create")
@click.argument("tenant_id")
@_tenant_options
@click.pass_obj
def create_tenant(connection: Connection, /, tenant_id: str, **fields: Any) -> None:
    """Make a tenant."""
    print_answer(connection, "POST", "/v1/tenants", {"id": tenant_id, **given(fields)})


@tenants.command("show")
@click.argument("tenant_id")
@click.pass_obj
def show_tenant(connection: Connection, tenant_id: str) -> None:
    """Show a tenant."""
    print_answer(connection, "GET", f"/v1/tenants/{segment(tenant_id)}")


@tenants.command("update")
@click.argument("tenant_id")
@_tenant_options
@click.option("--resume/--suspend", "active", default=None, help="Suspended, its keys are refused.")
@click.pass_obj
def update_tenant(connection: Connection, /, tenant_id: str, **fields: Any) -> None:
    """Change what is given of a tenant."""
    print_change(connection, f"/v1/tenants/{segment(tenant_id)}", fields)
