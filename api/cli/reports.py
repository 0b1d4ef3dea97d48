"""`smartlinks stats` and `smartlinks export`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from api.cli.connection import Connection
from api.cli.output import counting, print_fields, print_json, print_shares, sparkline, stdout
from api.client import Stats

FORMATS: Final = ("csv", "ndjson", "parquet")
RANGES: Final = (
    *("today", "yesterday", "last_7_days", "last_30_days", "this_week"),
    *("last_week", "this_month", "last_month", "this_year"),
)


def _range_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--campaign", help="Of all links of this campaign."),
            click.option("--tag", help="Of all links with this tag."),
            click.option("--domain", help="Of all links on this domain."),
            click.option("--from", "start", help="RFC 3339; 30 days before --to if left out."),
            click.option("--to", "end", help="RFC 3339, not included; now if left out."),
        )
    ):
        command = option(command)
    return command


def _check_one(link_id: str | None, options: dict[str, Any]) -> None:
    labels = [name for name in ("campaign", "tag", "domain") if options[name] is not None]
    if len(labels) + (link_id is not None) > 1:
        raise click.UsageError("Give one of a link, --campaign, --tag and --domain, or none for all links.")


@click.command("stats")
@click.argument("link_id", required=False)
@_range_options
@click.option("--range", type=click.Choice(RANGES), help="By name, in place of --from and --to.")
@click.option(
    "--interval", type=click.Choice(["hour", "day", "week", "month"]), default="day", show_default=True
)
@click.option("--timezone", default="UTC", show_default=True)
@click.option("--exclude-bots", is_flag=True)
@click.option("--by", help="Breakdowns, such as country,os,verdict.")
@click.option("--compare", is_flag=True, help="Beside the range of equal length before.")
@click.pass_obj
def stats(
    connection: Connection,
    /,
    link_id: str | None,
    start: str | None,
    end: str | None,
    *,
    compare: bool,
    **options: Any,
) -> None:
    """Clicks of a link, a campaign, a tag, a domain, or of all links."""
    _check_one(link_id, options)
    if link_id is not None:  # the call for one link knows none of these
        options = {name: options[name] for name in options.keys() - {"campaign", "tag", "domain"}}
    period = "previous_period" if compare else None
    with connection.open() as client:
        counted = client.stats(link_id, **{"from": start, "to": end, "compare": period, **options})
    if connection.as_json:
        print_json(counted)
    else:
        _show(counted)


def _show(counted: Stats) -> None:
    previous = counted["previous"]
    before = previous["totals"] if previous else {}
    print_fields(
        {
            name: f"{clicks:,} ({before[name]:,} before)" if before else clicks
            for name, clicks in counted["totals"].items()
        }
    )
    series = counted["series"]
    if series:
        stdout.print(sparkline([bucket["human_clicks"] for bucket in series]))
        stdout.print(f"{series[0]['start']} to {series[-1]['start']}, human clicks")
    for dimension, shares in counted["breakdowns"].items():
        print_shares(dimension, shares)
    for note in counted["notes"]:
        stdout.print(note)


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--link", "link_id", help="Of this link.")
@_range_options
@click.option("--format", "kind", type=click.Choice(FORMATS), help="By the file's ending if left out.")
@click.option("--verdict", type=click.Choice(["human", "preview", "automated"]))
@click.option("--country", help="Two letters, such as GB.")
@click.option("--channel", help="redirect or app.")
@click.option(
    "--exact",
    is_flag=True,
    help="Texts of CSV as they are, for programs; else safe to open in a spreadsheet.",
)
@click.pass_obj
def export(
    connection: Connection,
    /,
    file: Path,
    link_id: str | None,
    kind: str | None,
    start: str | None,
    end: str | None,
    *,
    exact: bool,
    **options: Any,
) -> None:
    """Write clicks, a row each, into FILE (- for stdout): of a link, a campaign, a tag, a domain, or all.

    The file is whole, or it is not there.
    """
    _check_one(link_id, options)
    kind = kind or file.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise click.BadParameter(f"give --format, one of {', '.join(FORMATS)}", param_hint="FILE")
    wanted = {"format": kind, "from": start, "to": end, "spreadsheet": not exact, **options}
    with connection.open() as client, counting("Bytes") as progress, _writing(file) as output:
        (task,) = progress.task_ids
        for piece in client.export_clicks(link_id, **wanted):
            output.write(piece)
            progress.advance(task, len(piece))


@contextmanager
def _writing(file: Path) -> Iterator[BinaryIO]:
    """The file, under another name until all of it is written; stdout for `-`."""
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    half = file.with_name(f".{file.name}.part")
    try:
        with half.open("wb") as output:
            yield output
        half.rename(file)
    finally:
        half.unlink(missing_ok=True)
