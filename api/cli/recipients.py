"""`smartlinks recipients`: mint, clicked, erase."""

import csv
import io
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, Final

import click
import orjson

from api.cli.connection import Connection
from api.cli.output import counted, print_fields, print_json, print_table, stderr

COLUMNS: Final = (
    *("recipient", "reference", "link_name", "clicks", "first_click_at", "last_click_at"),
    *("address", "os", "browser", "country", "city"),
)


@click.group("recipients")
def group() -> None:
    """Mint codes for recipients, see who clicked, erase a person."""


@group.command("mint")
@click.argument("link_id")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--total", type=int, help="How many there are, for the progress bar.")
@click.pass_obj
def mint(connection: Connection, link_id: str, file: BinaryIO, total: int | None) -> None:
    """Mint a code for each recipient of FILE: a number a line, CSV with a header, or NDJSON.

    Short URLs go to stdout as CSV (recipient, reference, code, short_url), or as NDJSON with --json.
    """
    write = _write_json if connection.as_json else _write_csv
    refused = 0
    if not connection.as_json:
        sys.stdout.write("recipient,reference,code,short_url\r\n")
    with connection.open() as client:
        for minted in counted(client.mint(link_id, _recipients(file)), "Recipients", total):
            problem = minted.get("problem")
            if problem is not None:
                refused += 1
                stderr.print(f"line {minted['line']}: {problem['detail']}", soft_wrap=True)
            elif not connection.as_json:
                write(minted)
            if connection.as_json:
                write(minted)
    sys.stdout.flush()
    if refused:
        stderr.print(f"{refused:,} recipients have no code.")
        sys.exit(1)


@group.command("clicked")
@click.option("--link", "link_id", help="Of this link.")
@click.option("--campaign", help="Of all links of this campaign.")
@click.option("--recipient", help="What this person clicked, across all links.")
@click.pass_obj
def show_who_clicked(connection: Connection, /, **of: str | None) -> None:
    """Who clicked: by link, by campaign, or one person."""
    if sum(value is not None for value in of.values()) != 1:
        raise click.UsageError("Give one of --link, --campaign and --recipient.")
    with connection.open() as client:
        found = client.who_clicked(**of)
        if connection.as_json:
            for recipient in found:
                print_json(recipient)
        else:
            print_table(counted(found, "Recipients"), COLUMNS)


@group.command("erase")
@click.argument("recipient")
@click.confirmation_option(prompt="This erases the person's codes and clicks for good. Go on?")
@click.pass_obj
def erase(connection: Connection, recipient: str) -> None:
    """Erase a person: their codes, and every click on them."""
    with connection.open() as client:
        erased = client.erase_recipient(recipient)
    if connection.as_json:
        print_json(erased)
    else:
        print_fields(erased)


def _recipients(file: BinaryIO) -> Iterator[bytes | dict[str, Any]]:
    """The first line tells what the file is. Blank lines keep the lines' numbers."""
    first = file.readline()
    lines = chain([first], file)
    if first.lstrip().startswith(b"{"):
        yield from lines
        return
    text = map(_decode, lines)
    header = next(csv.reader([_decode(first)]), [])
    if "recipient" in header:
        yield b"\n"
        for row in csv.DictReader(text):
            yield {"recipient": row["recipient"], "reference": row.get("reference") or ""}
        return
    for number in text:
        yield {"recipient": number.strip()} if number.strip() else b"\n"


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException("The file is no UTF-8: save it as UTF-8, then mint it again.") from None


def _write_json(minted: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(minted, option=orjson.OPT_APPEND_NEWLINE))


def _write_csv(minted: Any) -> None:
    row = io.StringIO()
    csv.writer(row).writerow(minted[name] for name in ("recipient", "reference", "code", "short_url"))
    sys.stdout.write(row.getvalue())
