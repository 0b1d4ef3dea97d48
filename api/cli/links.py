"""`smartlinks links`: list, create, show, update, delete, bulk, import, qr."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson

from api.cli.calls import changes, limit_option, print_list
from api.cli.connection import Connection
from api.cli.output import counted, print_fields, print_json, stderr, stdout
from api.client import Verdict

COLUMNS: Final = ("id", "name", "short_url", "destination_url", "status", "links_sent_30d", "clicks_30d")
SOURCES: Final = ("csv", "bitly", "shlink", "dub", "kutt", "yourls")


@click.group("links")
def group() -> None:
    """Make, list, change, delete and import links."""


@group.command("list")
@click.option("-q", "--search", "q", help="Found in name, URLs, campaign and external id.")
@click.option("--status", type=click.Choice(["active", "expired", "disabled"]))
@click.option("--campaign")
@click.option("--tag")
@click.option("--domain")
@click.option("--external-id")
@click.option("--sort", default="-created_at", show_default=True)
@limit_option()
@click.pass_obj
def list_links(connection: Connection, /, limit: int, **filters: str | None) -> None:
    """List links, newest first."""
    print_list(connection, "/v1/links", COLUMNS, limit, **filters)


def _link_options(command: Any) -> Any:
    """The fields of a link that can be changed."""
    for option in reversed(
        (
            click.option("--name"),
            click.option("--ios", help="Destination for iPhones and iPads."),
            click.option("--android", help="Destination for Android."),
            click.option("--expires-at", help="RFC 3339, such as 2030-01-31T18:00:00Z."),
            click.option("--expired-url"),
            click.option("--campaign"),
            click.option("--tag", "tags", multiple=True, help="May be given several times."),
            click.option("--external-id"),
            click.option("--forward-query/--no-forward-query", default=None),
        )
    ):
        command = option(command)
    return command


@group.command("create")
@click.argument("destination_url")
@click.option("--code", help="4 to 12 characters A-Z, a-z, 0-9; a fresh one if left out.")
@click.option("--domain")
@click.option("--suffix")
@click.option("--upsert", is_flag=True, help="Change the link with this --external-id, if there is one.")
@_link_options
@click.pass_obj
def create_link(connection: Connection, /, destination_url: str, *, upsert: bool, **fields: Any) -> None:
    """Make a link."""
    body = _fields(fields)
    if upsert and "external_id" not in body:
        raise click.UsageError("--upsert needs --external-id: that is what the link is known by.")
    with connection.open() as client:
        make = client.upsert_link if upsert else client.make_link
        _show(connection, make(destination_url=destination_url, **body))


@group.command("show")
@click.argument("link_id")
@click.pass_obj
def show_link(connection: Connection, link_id: str) -> None:
    """Show a link."""
    with connection.open() as client:
        _show(connection, client.read_link(link_id))


@group.command("update")
@click.argument("link_id")
@click.option("--destination-url")
@click.option("--status", type=click.Choice(["active", "disabled"]))
@_link_options
@click.pass_obj
def update_link(connection: Connection, /, link_id: str, **fields: Any) -> None:
    """Change what is given of a link; an empty text takes a field away."""
    body = {name: None if value == "" else value for name, value in changes(_fields(fields)).items()}
    with connection.open() as client:
        _show(connection, client.change_link(link_id, **body))


@group.command("delete")
@click.argument("link_id")
@click.confirmation_option(prompt="This stops the redirect and erases the link's clicks for good. Go on?")
@click.pass_obj
def delete_link(connection: Connection, link_id: str) -> None:
    """Delete a link with its clicks, for good."""
    with connection.open() as client:
        client.delete_link(link_id)


@group.command("bulk")
@click.argument("file", type=click.File("rb"), default="-")
@click.pass_obj
def change_links(connection: Connection, file: BinaryIO) -> None:
    """Create, upsert, update and delete links: a JSON object a line, with its "op". Verdicts go to stdout."""
    with connection.open() as client:
        _tell(connection, client.change_links(file), "Links")


@group.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--from", "source", type=click.Choice(SOURCES), default="csv", show_default=True)
@click.option("--domain", help="Where the links shall stand; the default domain if left out.")
@click.option("--dry-run", is_flag=True, help="Make nothing, only tell what would become of each row.")
@click.pass_obj
def import_links(
    connection: Connection, file: BinaryIO, source: str, domain: str | None, *, dry_run: bool
) -> None:
    """Import an export of another shortener: CSV, NDJSON, or the JSON of its API."""
    first = file.readline()
    is_json = first.lstrip().startswith((b"{", b"["))
    lines = _json_lines(first, file) if is_json else _chain(first, file)
    with connection.open() as client:
        verdicts = client.import_links(
            lines,
            source=source,
            content_type="application/x-ndjson" if is_json else "text/csv",
            domain=domain,
            dry_run=dry_run,
        )
        _tell(connection, verdicts, "Links")


@group.command("qr")
@click.argument("link_id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--code", help="A recipient's code; the link's own if left out.")
@click.option("--size", type=int, help="Width in pixels.")
@click.option("--dark", help="Colour of the modules, rrggbb.")
@click.option("--light", help="Colour of the ground, rrggbb or transparent.")
@click.option("--error-correction", type=click.Choice(["L", "M", "Q", "H"]))
@click.option("--margin", type=int, help="In modules.")
@click.pass_obj
def draw_qr_code(connection: Connection, /, link_id: str, file: Path, **options: object) -> None:
    """Draw the short URL as a QR code into FILE, an .svg or a .png."""
    kind = file.suffix.removeprefix(".").lower()
    if kind not in {"svg", "png"}:
        raise click.BadParameter("the file's name ends with .svg or .png", param_hint="FILE")
    with connection.open() as client:
        file.write_bytes(client.draw_qr_code(link_id, format=kind, **options))


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """The body that the options stand for: only what was given."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    routes = {device: given.pop(device) or None for device in ("ios", "android") if device in given}
    if routes:
        given["device_routes"] = routes
    if "tags" in given:
        given["tags"] = [tag for tag in given["tags"] if tag]
    return given


def _show(connection: Connection, link: Any) -> None:
    if connection.as_json:
        print_json(link)
    else:
        print_fields(link)


def _tell(connection: Connection, verdicts: Iterator[Verdict], what: str) -> None:
    """With --json every verdict; else the refused ones. At the end how many, and for what; 1 if any was."""
    done, refused = 0, Counter[str]()
    for verdict in counted(verdicts, what):
        problem = verdict.get("problem")
        if problem is None:
            done += 1
        else:
            refused[_cause(problem)] += 1
        if connection.as_json:
            print_json(verdict)
        elif problem is not None:
            stdout.print(f"line {verdict['line']}: {problem['detail']}", soft_wrap=True)
    causes = ", ".join(f"{count:,} for {cause}" for cause, count in refused.most_common())
    stderr.print(f"{done:,} done, {refused.total():,} refused{causes and f': {causes}'}.", soft_wrap=True)
    if refused:
        sys.exit(1)


def _cause(problem: dict[str, Any]) -> str:
    """The field that does not fit, else the kind of problem."""
    pointer = str(problem.get("errors", [{}])[0].get("pointer", "")).removeprefix("#/")
    return pointer or str(problem["title"])


def _chain(first: bytes, file: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from file


def _json_lines(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    """NDJSON as it is; of a JSON document of an API the list that is in it, an object a line."""
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        pass
    else:
        if first.endswith(b"\n"):
            second = file.readline()
            if second.strip():
                yield from _chain(first, _chain(second, file))
                return
    document = orjson.loads(first + file.read())
    found = _rows(document)
    if found is None:
        raise click.ClickException("No list of links is in this JSON: send an array, or an object a line.")
    for row in found:
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _rows(document: Any) -> list[Any] | None:
    """An array; `data` of Kutt and Shlink, `links` of Bitly and YOURLS; a single link."""
    if isinstance(document, list):
        return document
    for name in ("data", "links", "shortUrls"):
        inner = document.get(name)
        if isinstance(inner, list):
            return inner
        if isinstance(inner, dict):
            return _rows(inner) or list(inner.values())
    return [document] if {"target", "url", "long_url", "destination_url"} & document.keys() else None
