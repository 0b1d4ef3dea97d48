"""`python -m aggregator.reclassify --since 2026-11-01 [--until …] [--tenant …] [--dry-run]`.

Judges stored clicks again, here and now, on the warehouse of the settings. On one machine the warehouse is
open in the running system: stop that first, or ask it by `POST /v1/reclassifications`.
"""

import argparse
import sys
from datetime import UTC, datetime

from aggregator.reclassify.documents import Reclassification, request_reclassification
from aggregator.reclassify.worker import reclassify
from edge.contract import SettingsError, configure_logging, load
from ingest.contract import WarehouseError, WarehouseUnavailableError, open_warehouse


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m aggregator.reclassify", description=__doc__)
    arguments.add_argument(
        "--since", required=True, type=_moment, help="first moment, ISO 8601, UTC if unsaid"
    )
    arguments.add_argument("--until", type=_moment, help="the moment after the last; now if left out")
    arguments.add_argument("--tenant", help="of one tenant only")
    arguments.add_argument("--dry-run", action="store_true", help="show the difference, change nothing")
    chosen = arguments.parse_args()
    configure_logging("reclassify")
    now = datetime.now(UTC)
    try:
        settings = load()
        warehouse = open_warehouse(settings.clickhouse_url, folder=settings.warehouse_dir)
        try:
            asked = request_reclassification(
                warehouse,
                tenant=chosen.tenant,
                since_ms=_ms(chosen.since),
                until_ms=_ms(chosen.until or now),
                dry_run=chosen.dry_run,
                now_ms=_ms(now),
            )
            done = reclassify(warehouse, asked)
        finally:
            warehouse.close()
    except (SettingsError, WarehouseError, WarehouseUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{difference(done)}\n")
    return 0 if done.state == "done" else 1


def difference(done: Reclassification) -> str:
    """What changed, as a table for people."""
    lines = [
        f"{change.clicks:>12,}  {change.verdict_before} ({change.rule_before})"
        f" -> {change.verdict} ({change.rule})"
        for change in done.changes
    ]
    outcome = "would change" if done.dry_run else "changed"
    lines.append(
        f"{done.changed:>12,}  of {done.judged:,} clicks {outcome}, by rules version {done.rules_version}"
    )
    if done.error:
        lines.append(done.error)
    return "\n".join(lines)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


if __name__ == "__main__":
    sys.exit(main())
