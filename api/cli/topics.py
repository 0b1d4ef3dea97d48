"""`smartlinks topics`: looks at Kafka itself, so it also tells why Kafka can't be reached."""

import asyncio
import sys
from dataclasses import asdict
from typing import Final

import click

from api.cli.connection import Connection
from api.cli.output import print_json, print_table, stderr
from edge.contract import SettingsError
from ingest.contract import BusUnavailableError, check_topics, parse_kafka_address

COLUMNS: Final = ("name", "partitions", "replication", "min_insync_replicas", "retention_ms", "remarks")


@click.command("topics")
@click.option(
    "--events-url", envvar="SMARTLINKS_EVENTS_URL", required=True, help="kafka://host:port,host:port"
)
@click.pass_obj
def topics(connection: Connection, events_url: str) -> None:
    """Create the topics that are missing and list all, with what is less than the URL asks for.

    Exits with 1 where something is, or where Kafka can't be reached.
    """
    try:
        found = asyncio.run(check_topics(parse_kafka_address(events_url)))
    except (SettingsError, BusUnavailableError) as error:
        stderr.print(str(error), style="red")
        sys.exit(1)
    rows = [asdict(topic) | {"remarks": remarks} for topic, remarks in found]
    if connection.as_json:
        print_json({"topics": rows})
    else:
        print_table([row | {"remarks": "; ".join(row["remarks"])} for row in rows], COLUMNS, "Topics")
    if any(remarks for _, remarks in found):
        sys.exit(1)
