"""`smartlinks stats` and `smartlinks export`."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from api.cli.connection import Connection
from api.cli.output import counting, print_fields, print_json, print_shares, sparkline, stdout

FORMATS: Final = ("csv", "ndjson", "parquet")


@click.command("stats")
@click.argument("link_id", required=False)
@click.option("--campaign")
@click.option("--tag")
@click.option("--domain")
@click.option("--from", "start", help="RFC 3339; 30 days before --to if left out.")
@click.option("--to", "end", help="RFC 3339, not included; now if left out.")
@click.option(
    "--interval", type=click.Choice(["hour", "day", "week", "month"]), default="day", show_default=True
)
@click.option("--timezone", default="UTC", show_default=True)
@click.option("--exclude-bots", is_flag=True)
@click.option("--by", help="Breakdowns, such as country,os,verdict.")
@click.pass_obj
def stats(
    connection: Connection, /, link_id: str | None, start: str | None, end: str | None, **options: Any
) -> None:
    """Clicks of a link, a campaign, a tag, a domain, or of all links."""
    with connection.open() as client:
        counted = client.stats(link_id, **{"from": start, "to": end, **options})
    if connection.as_json:
        print_json(counted)
        return
    print_fields(counted["totals"])
    series = counted["series"]
    if series:
        stdout.print(sparkline([bucket["human_clicks"] for bucket in series]))
        stdout.print(f"{series[0]['start']} to {series[-1]['start']}, human clicks", highlight=False)
    for dimension, shares in counted["breakdowns"].items():
        print_shares(dimension, shares)


@click.command("export")
@click.argument("link_id")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--format", "kind", type=click.Choice(FORMATS), help="By the file's ending if left out.")
@click.option("--from", "start", help="RFC 3339.")
@click.option("--to", "end", help="RFC 3339, not included.")
@click.pass_obj
def export(
    connection: Connection, link_id: str, file: Path, kind: str | None, start: str | None, end: str | None
) -> None:
    """Write a link's clicks, a row each, into FILE (- for stdout). The file is whole, or it is not there."""
    kind = kind or file.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise click.BadParameter(f"give --format, one of {', '.join(FORMATS)}", param_hint="FILE")
    with connection.open() as client, counting("Bytes") as progress:
        pieces = client.export_clicks(link_id, **{"format": kind, "from": start, "to": end})
        if str(file) == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        half = file.with_name(f".{file.name}.part")
        try:
            with half.open("wb") as output:
                for piece in pieces:
                    output.write(piece)
                    progress.advance(progress.task_ids[0], len(piece))
            half.rename(file)
        finally:
            half.unlink(missing_ok=True)
