"""`smartlinks sms`: send messages, and see what became of them."""

import sys
from typing import Any, BinaryIO, Final

import click
import orjson

from api.cli.calls import given, limit_option, print_answer, print_list, segment
from api.cli.connection import Connection
from api.cli.output import print_json, print_table, stderr

COLUMNS: Final = ("id", "to", "status", "reason", "segments", "acceptedTime", "content")
ACCEPTED_COLUMNS: Final = ("messageId", "to", "status", "segments", "content", "reason")
STATUSES: Final = ("queued", "sent", "failed", "expired")


@click.group("sms")
def group() -> None:
    """Send SMS messages with short URLs; list them and what became of them."""


@group.command("send")
@click.argument("to", nargs=-1)
@click.option(
    "--body", type=click.File("rb"), help="The whole body as JSON, in place of all else; - is stdin."
)
@click.option("--from", "sender", help="Sender id, short code or number.")
@click.option("--content", help="The text; ${name} stands for a substitution.")
@click.option("--content-type", "contentType", type=click.Choice(["text", "unicode", "binary", "template"]))
@click.option("--set", "substitutions", multiple=True, metavar="NAME=VALUE", help="A substitution for all.")
@click.option(
    "--shorten-urls", "shortenUrls", is_flag=True, default=None, help="Every https URL in the text."
)
@click.option("--track-link", "trackLink", is_flag=True, default=None, help="The last https URL only.")
@click.option("--domain", "shortUrlDomain", help="Where short URLs shall stand.")
@click.option("--callback-url", "callbackUrl", help="Gets a CLICKED receipt a click.")
@click.option("--callback-data", "callbackData")
@click.option("--correlation-id", "correlationId")
@click.option("--expire-at", "expireAt", help="RFC 3339: not handed over later than that.")
@click.option("--dlt-template-id", "dltTemplateId")
@click.pass_obj
def send(connection: Connection, /, to: tuple[str, ...], body: BinaryIO | None, **fields: Any) -> None:
    """Send a message to each number TO (+447700900123). Exits with 1 where a number is refused."""
    message = _read_body(body) if body else _body(to, given(fields))
    with connection.open() as client:
        answer = client.call("POST", "/v1/sms/messages", message)
    if connection.as_json:
        print_json(answer)
    else:
        reasons = ("; ".join(flaw["detail"] for flaw in one.get("errors", ())) for one in answer["messages"])
        rows = ({**one, "reason": reason} for one, reason in zip(answer["messages"], reasons, strict=True))
        print_table(rows, ACCEPTED_COLUMNS)
        for warning in (
            *answer["warnings"],
            *(each for one in answer["messages"] for each in one.get("warnings", ())),
        ):
            stderr.print(f"{warning['code']}: {warning['detail']}", soft_wrap=True)
    if any(one["status"] == "failed" for one in answer["messages"]):
        sys.exit(1)


@group.command("list")
@click.option("--status", type=click.Choice(STATUSES))
@limit_option()
@click.pass_obj
def list_messages(connection: Connection, status: str | None, limit: int) -> None:
    """List messages, newest first."""
    print_list(connection, "/v1/sms/messages", COLUMNS, limit, status=status)


@group.command("show")
@click.argument("message_id")
@click.pass_obj
def show_message(connection: Connection, message_id: str) -> None:
    """Show a message and what became of it."""
    print_answer(connection, "GET", f"/v1/sms/messages/{segment(message_id)}")


def _body(to: tuple[str, ...], fields: dict[str, Any]) -> dict[str, Any]:
    if not (to and "sender" in fields and "content" in fields):
        raise click.UsageError("Give numbers with --from and --content, or the whole message by --body.")
    body = {"from": fields.pop("sender"), "to": list(to), **fields}
    if "substitutions" in fields:
        pairs = [pair.partition("=") for pair in fields["substitutions"]]
        if not all(equals for _, equals, _ in pairs):
            raise click.BadParameter("NAME=VALUE is wanted", param_hint="--set")
        body["substitutions"] = {name: value for name, _, value in pairs}
    return body


def _read_body(file: BinaryIO) -> Any:
    try:
        return orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"this is no JSON: {error}", param_hint="--body") from None
