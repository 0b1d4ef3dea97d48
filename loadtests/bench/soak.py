"""A worker's memory: with full caches, and over many requests with changing codes and connections."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from edge.contract import open_link_store
from loadtests.bench.figures import Section, Target
from loadtests.bench.wrk import Case, Wrk
from loadtests.minting import mint_links
from loadtests.neighbours import RedisServer, running_edge
from loadtests.processes import resident_bytes

LINKS: Final = 10_000  # more than a worker caches
CODES_EACH: Final = 40
RELEASES: Final = 12  # 4,800 kinds of phones: more header blocks than a worker caches
CLOSING: Final = 50
SLICE_S: Final = 1
PROGRESS_S: Final = 10.0
MOST_SILENT: Final = 10  # slices on end without an answer; a busy machine may see one
MOST_MB: Final = 80.0
MOST_GROWTH: Final = 1.05
FILLING: Final = 4 * LINKS * CODES_EACH
MB: Final = 1_000_000


def soak_section(folder: Path, redis: RedisServer, requests: int) -> Section:
    """Fill a fresh worker's caches, then serve so many requests more. Tells of progress on stderr."""
    codes = folder / "soak-codes.txt"

    async def mint() -> None:
        store = open_link_store(redis.url)
        codes.write_text("\n".join(await mint_links(store, LINKS, CODES_EACH)))
        await store.close()

    asyncio.run(mint())
    wrk = Wrk(folder)
    with running_edge(folder / "soak", redis) as edge:
        case = Case(edge.server, codes, closing=CLOSING, releases=RELEASES)
        idle = resident_bytes(edge.server.pid)
        failed = _serve(wrk, case, FILLING, "filling the caches")
        full = resident_bytes(edge.server.pid)
        failed += _serve(wrk, case, requests // 10, "first tenth")
        begun = resident_bytes(edge.server.pid)
        failed += _serve(wrk, case, requests - requests // 10, "the rest")
        ended = resident_bytes(edge.server.pid)
    points = {
        "started": idle,
        f"caches full, after {FILLING:,} requests": full,
        f"{requests // 10:,} requests later": begun,
        f"{requests:,} requests later": ended,
    }
    return Section(
        "Memory of a worker",
        f"Resident memory; {LINKS:,} links with {CODES_EACH} codes each, {RELEASES * 400:,} kinds of phones, "
        f"one request in {CLOSING} closes its connection.",
        ("when", "MB"),
        [(when, f"{size / MB:.1f}") for when, size in points.items()],
        [
            Target("worker's memory, caches full", max(full, begun, ended) / MB, MOST_MB, unit="MB"),
            Target(f"memory after {requests:,} requests", ended / begun, MOST_GROWTH, unit="x after a tenth"),
            Target("requests failed in the soak", failed, 0, unit=""),
        ],
    )


def _serve(wrk: Wrk, case: Case, requests: int, stage: str) -> int:
    """Serve at least so many requests; how many failed. Ends the program where none is answered any more."""
    served = failed = silent = 0
    tell_at = time.monotonic()
    while served < requests:
        run = wrk.measure(case, SLICE_S)
        served += run.requests
        failed += run.errors
        silent = 0 if run.requests else silent + 1
        if silent == MOST_SILENT:
            sys.exit(
                f"soak, {stage}: nothing was answered for {silent * SLICE_S} s after {served:,} requests"
            )
        if time.monotonic() >= tell_at or served >= requests:
            tell_at = time.monotonic() + PROGRESS_S
            resident_mb = resident_bytes(case.server.pid) / MB
            print(f"soak, {stage}: {served:,} of {requests:,}, {resident_mb:.1f} MB", file=sys.stderr)
    return failed
