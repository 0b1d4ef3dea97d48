"""`smartlinks webhooks`: who is told of clicks and changes of links, and what came of it."""

from typing import Any, Final

import click

from api.cli.calls import given, limit_option, print_answer, print_change, print_list, segment
from api.cli.connection import Connection

EVENTS: Final = ("message.clicked", "link.clicked", "link.created", "link.updated", "link.deleted")
STATES: Final = ("pending", "delivered", "given_up")
COLUMNS: Final = ("id", "url", "events", "enabled", "disabled_reason", "description")
DELIVERY_COLUMNS: Final = (
    *("id", "event", "state", "attempts", "last_status", "last_error", "next_attempt_at", "created_at"),
)


@click.group("webhooks")
def group() -> None:
    """Webhooks: signed POSTs of clicks and of changes of links. `receipts` is always there."""


def _path(webhook_id: str, *rest: str) -> str:
    return "/".join(("/v1/webhooks", *map(segment, (webhook_id, *rest))))


@group.command("list")
@click.pass_obj
def list_webhooks(connection: Connection) -> None:
    """List webhooks."""
    print_list(connection, "/v1/webhooks", COLUMNS)


@group.command("create")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True, required=True, type=click.Choice(EVENTS), help="May be given again."
)
@click.option("--description")
@click.option("--include-bots", is_flag=True, default=None, help="Clicks of any verdict, not of humans only.")
@click.pass_obj
def create_webhook(connection: Connection, /, **fields: Any) -> None:
    """Send these events to URL from now on."""
    print_answer(connection, "POST", "/v1/webhooks", given(fields))


@group.command("show")
@click.argument("webhook_id")
@click.pass_obj
def show_webhook(connection: Connection, webhook_id: str) -> None:
    """Show a webhook."""
    print_answer(connection, "GET", _path(webhook_id))


@group.command("update")
@click.argument("webhook_id")
@click.option("--url")
@click.option(
    "--event", "events", multiple=True, type=click.Choice(EVENTS), help="These instead of the former."
)
@click.option("--description")
@click.option("--include-bots/--humans-only", default=None)
@click.option("--enable/--disable", "enabled", default=None, help="Enable it after its receiver said 410.")
@click.pass_obj
def update_webhook(connection: Connection, /, webhook_id: str, **fields: Any) -> None:
    """Change what is given of a webhook."""
    print_change(connection, _path(webhook_id), fields)


@group.command("delete")
@click.argument("webhook_id")
@click.confirmation_option(prompt="Deliveries that are pending are given up. Go on?")
@click.pass_obj
def delete_webhook(connection: Connection, webhook_id: str) -> None:
    """Delete a webhook."""
    print_answer(connection, "DELETE", _path(webhook_id))


@group.command("secret")
@click.argument("webhook_id")
@click.pass_obj
def show_secret(connection: Connection, webhook_id: str) -> None:
    """Show the secret to verify signatures by (Standard Webhooks)."""
    print_answer(connection, "GET", _path(webhook_id, "secret"))


@group.command("rotate")
@click.argument("webhook_id")
@click.pass_obj
def rotate_secret(connection: Connection, webhook_id: str) -> None:
    """Make a new secret; for a day deliveries are signed by both."""
    print_answer(connection, "POST", _path(webhook_id, "secret"))


@group.command("deliveries")
@click.argument("webhook_id")
@click.option("--state", type=click.Choice(STATES))
@limit_option()
@click.pass_obj
def list_deliveries(connection: Connection, webhook_id: str, state: str | None, limit: int) -> None:
    """What was told in the last 30 days, newest first, and what came of it."""
    print_list(connection, _path(webhook_id, "deliveries"), DELIVERY_COLUMNS, limit, state=state)


@group.command("replay")
@click.argument("webhook_id")
@click.argument("delivery_id")
@click.pass_obj
def replay_delivery(connection: Connection, webhook_id: str, delivery_id: str) -> None:
    """Send a delivery again under its same id, whatever came of it before."""
    print_answer(connection, "POST", _path(webhook_id, "deliveries", delivery_id, "replay"))
