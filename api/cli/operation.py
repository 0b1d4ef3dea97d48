"""`smartlinks ledger`, `dlq`, `reclassify` and `postman`."""

import sys
import time
from typing import Any, Final

import click
import orjson

from api.cli.calls import print_answer, print_list
from api.cli.connection import Connection
from api.cli.output import counting, print_fields, print_json, print_table
from api.cli.postman import collection_of

POLL_S: Final = 0.5
COLUMNS: Final = ("origin", "reason", "detail", "died_at", "is_asked")


@click.command("ledger")
@click.pass_obj
def ledger(connection: Connection) -> None:
    """Whether every click is accounted for. Exits with 1 where the ledger does not balance."""
    with connection.open() as client:
        account = client.call("GET", "/v1/ledger")
    if connection.as_json:
        print_json(account)
    else:
        print_fields(account)
    if not account["balanced"]:
        sys.exit(1)


@click.group("dlq")
def dlq() -> None:
    """Dead letters: events that are no clicks."""


@dlq.command("list")
@click.option("--reason")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@click.pass_obj
def list_letters(connection: Connection, reason: str | None, limit: int) -> None:
    """List dead letters."""
    print_list(connection, "/v1/dead-letters", COLUMNS, limit, reason=reason)


@dlq.command("replay")
@click.argument("origins", nargs=-1)
@click.option("--reason", help="All of this reason.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.pass_obj
def replay_letters(
    connection: Connection, origins: tuple[str, ...], reason: str | None, *, everything: bool
) -> None:
    """Replay dead letters, by origin, by reason, or all. Exits with 1 where some are refused."""
    if not (origins or reason or everything):
        raise click.UsageError("Say which: origins as dlq list shows them, --reason, or --all.")
    body: dict[str, Any] = {"reason": reason} if reason else {}
    if origins:
        body["letters"] = [{"origin": origin} for origin in origins]
    with connection.open() as client:
        answer = client.call("POST", "/v1/dead-letters:replay", body)
    if connection.as_json:
        print_json(answer)
    else:
        print_fields({"requested": answer["requested"]})
        if answer["refused"]:
            print_table(answer["refused"], ("origin", "reason", "detail"), "Refused")
    if answer["refused"]:
        sys.exit(1)


@dlq.command("discard")
@click.argument("origins", nargs=-1, required=True)
@click.confirmation_option(prompt="These events never become clicks. Go on?")
@click.pass_obj
def discard_letters(connection: Connection, origins: tuple[str, ...]) -> None:
    """Discard dead letters for good, by origin as dlq list shows them. The ledger counts them as dropped."""
    print_answer(connection, "POST", "/v1/dead-letters:discard", {"origins": list(origins)})


@click.command("reclassify")
@click.option("--since", required=True, help="RFC 3339, the first moment.")
@click.option("--until", help="RFC 3339, the moment after the last; now if left out.")
@click.option("--tenant", help="Of one tenant only.")
@click.option("--dry-run", is_flag=True, help="Tell the difference, change nothing.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until it is done.")
@click.pass_obj
def reclassify(
    connection: Connection, since: str, until: str | None, tenant: str | None, *, dry_run: bool, wait: bool
) -> None:
    """Judge stored clicks anew by the rules of today. Exits with 1 where it failed."""
    wanted = {"since": since, "until": until, "tenant": tenant, "dry_run": dry_run}
    with connection.open() as client, counting("Months") as progress:
        body = {name: value for name, value in wanted.items() if value is not None}
        state = client.call("POST", "/v1/reclassifications", body)
        while wait and state["state"] not in {"done", "failed"}:
            (task,) = progress.task_ids
            progress.update(task, completed=state["months_done"], total=state["months"])
            time.sleep(POLL_S)
            state = client.call("GET", f"/v1/reclassifications/{state['id']}")
    if connection.as_json:
        print_json(state)
    else:
        changes = state.pop("changes")
        print_fields(state)
        print_table(changes, ("verdict_before", "rule_before", "verdict", "rule", "clicks"), "Changes")
    if state["state"] == "failed":
        sys.exit(1)


@click.command("postman")
@click.pass_obj
def postman(connection: Connection) -> None:
    """Write a Postman collection (v2.1) of the whole API to stdout, from its OpenAPI document."""
    with connection.open() as client:
        document = client.call("GET", "/openapi.json")
    collection = collection_of(document, base_url=connection.url)
    sys.stdout.buffer.write(orjson.dumps(collection, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
