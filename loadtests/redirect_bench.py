"""CPU and throughput of one edge worker on one core, as ratios to nginx `return 302` in the same run.

    python loadtests/redirect_bench.py [--seconds 2] [--rounds 5] [--codes 250000]

Needs nginx, wrk, redis-server and taskset on PATH, and two cores: the server under test has the first to
itself, the load generator and Redis share the second. What it starts and writes is gone when it ends.

| case | every request |
| --- | --- |
| cached | asks for the same code; one look-up in all |
| personal | asks for another code that is in no cache: a look-up in Redis |
| forwarded | as personal, and has an `X-Forwarded-For` of its own, so no header block is ever seen twice |

Each request is one click in the spool. Clicks are counted at the end: spooled = answered.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from string import Template

from redis.asyncio import Redis

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.codes import code_field, code_key, generate_many, link_key  # noqa: E402 - after the path is set
from edge.links import EdgeLink  # noqa: E402

NGINX_PORT, EDGE_PORT, METRICS_PORT = 18_302, 18_303, 18_304
SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 64
DESTINATION = "https://example.com/landing/page?campaign=spring"
MOST_CPU = {"cached": 1.6, "personal": 2.0}  # times nginx
LEAST_RATE = 0.5

NGINX_CONF = Template("""
worker_processes 1;
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server { listen 127.0.0.1:$port reuseport; location / { return 302 $destination; } }
}
""")

WRK_SCRIPT = Template("""
local heads, codes, at = {}, {}, $start
for line in io.lines("$heads") do heads[#heads + 1] = (line:gsub("|", "\\r\\n")) .. "\\r\\n" end
for line in io.lines("$codes") do codes[#codes + 1] = line end
local head_count, code_count, forwarded = #heads, #codes, $forwarded
function request()
  at = at + 1
  local via = ""
  if forwarded then
    via = "X-Forwarded-For: 10." .. at % 200 .. "." .. at % 249 .. "." .. at % 251 .. "\\r\\n"
  end
  local code, head = codes[at % code_count + 1], heads[at % head_count + 1]
  return "GET /" .. code .. " HTTP/1.1\\r\\n" .. head .. via .. "\\r\\n"
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local figures = {summary.requests, summary.duration, latency:percentile(99), failed}
  io.write("\\nRESULT ", table.concat(figures, " "), "\\n")
end
""")


@dataclass(frozen=True, slots=True)
class Case:
    """Requests for the codes in `codes`, one after the other, to the server `pid` at `port`."""

    pid: int
    port: int
    codes: Path
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. `cpu_us` is the server's user and system time a request, `rate` is requests a second."""

    requests: int
    cpu_us: float
    rate: float
    p99_ms: float
    errors: int


def phone_heads() -> list[str]:
    """Header blocks as phones send them: some 400 kinds, lines joined by `|`."""
    iphones = [
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 "
        f"(KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
        for major in (15, 16, 17, 18)
        for minor in range(8)
    ]
    androids = [
        f"Mozilla/5.0 (Linux; Android {version}; {model}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{chrome}.0.0.0 Mobile Safari/537.36"
        for version in (12, 13, 14, 15)
        for model in ("K", "SM-S911B", "Pixel 8", "CPH2451")
        for chrome in (128, 131, 134)
    ]
    accept = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    accept += "|Accept-Encoding: gzip, deflate, br"
    fetch = "Sec-Fetch-Site: none|Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document"
    return [
        f"Host: localhost:{EDGE_PORT}|User-Agent: {agent}|{accept}|Accept-Language: {language}|{fetch}"
        "|Connection: keep-alive"
        for agent in iphones + androids
        for language in (
            "en-US,en;q=0.9",
            "en-GB,en;q=0.9",
            "de-DE,de;q=0.9",
            "hi-IN,hi;q=0.9",
            "es-ES,es;q=0.9",
        )
    ]


async def mint(socket_path: Path, codes: list[str]) -> None:
    """One link with device routes, and `codes` for its recipients."""
    redis = Redis(unix_socket_path=str(socket_path))
    link = EdgeLink(1, "bench", "benchown", "", DESTINATION.encode(), ios=DESTINATION.encode() + b"&os=ios")
    await redis.hset(link_key(1), mapping=link.to_fields())
    for start in range(0, len(codes), 10_000):
        async with redis.pipeline(transaction=False) as batch:
            for code in codes[start : start + 10_000]:
                field = code_field(code.encode(), b"")
                batch.hset(code_key(field), field, "1")
            await batch.execute()
    await redis.aclose()


@contextmanager
def running(
    arguments: list[str], core: str, log: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", core, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def wait_until_answered(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own loopback URL
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, case: Case, start: int, seconds: int) -> Measurement:
    """One run of wrk; the first request asks for code number `start`."""
    script = folder / "load.lua"
    script.write_text(
        WRK_SCRIPT.substitute(
            heads=folder / "heads.txt",
            codes=case.codes,
            forwarded="true" if case.forwarded else "false",
            start=start,
        )
    )
    before_s = cpu_s(case.pid)
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script,
         f"http://127.0.0.1:{case.port}/"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    used_s = cpu_s(case.pid) - before_s
    requests, duration_us, p99_us, errors = (
        float(figure) for figure in output.rpartition("RESULT ")[2].split()
    )
    return Measurement(
        int(requests), used_s / requests * 1e6, requests / duration_us * 1e6, p99_us / 1e3, int(errors)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=2, help="length of each run (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each case, taken in turns (default 5)")
    parser.add_argument("--codes", type=int, default=250_000, help="personal codes (default 250000)")
    options = parser.parse_args()
    if missing := [
        name for name in ("nginx", "wrk", "redis-server", "taskset") if shutil.which(name) is None
    ]:
        sys.exit(f"not on PATH: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:  # a socket's path is short
        sys.exit(bench(Path(folder), options.seconds, options.rounds, options.codes))


def bench(folder: Path, seconds: int, rounds: int, code_count: int) -> int:
    """Run all cases, print the table, and answer 1 where clicks are lost or a target is missed."""
    codes = generate_many(code_count)
    (folder / "heads.txt").write_text("\n".join(phone_heads()))
    (folder / "codes.txt").write_text("\n".join(codes))
    (folder / "one.txt").write_text(codes[0])
    (folder / "nginx.conf").write_text(
        NGINX_CONF.substitute(folder=folder, port=NGINX_PORT, destination=DESTINATION)
    )
    socket_path = folder / "redis.sock"
    redis = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        str(socket_path),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    nginx = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")]
    settings = {
        "SMARTLINKS_REDIS_URL": f"unix://{socket_path}",
        "SMARTLINKS_DATA_DIR": str(folder / "data"),
        "SMARTLINKS_EDGE_HOST": "127.0.0.1",
        "SMARTLINKS_EDGE_PORT": str(EDGE_PORT),
        "SMARTLINKS_EDGE_WORKERS": "1",
        "SMARTLINKS_METRICS_PORT": str(METRICS_PORT),
        "SMARTLINKS_TRUSTED_PROXIES": "127.0.0.0/8",
    }
    results: dict[str, list[Measurement]] = {}
    one, many = folder / "one.txt", folder / "codes.txt"
    with (
        running(redis, LOAD_CORE, folder / "redis.log"),
        running(nginx, SERVER_CORE, folder / "nginx.out"),
        running([sys.executable, "-m", "edge"], SERVER_CORE, folder / "edge.log", **settings) as edge,
    ):
        wait_until_answered(f"http://127.0.0.1:{METRICS_PORT}/readyz")
        asyncio.run(mint(socket_path, codes))
        nginx_pid = child_of(int((folder / "nginx.pid").read_text()))
        worker_pid = child_of(edge.pid)
        cases = {
            "nginx": Case(nginx_pid, NGINX_PORT, many),
            "cached": Case(worker_pid, EDGE_PORT, one),
            "personal": Case(worker_pid, EDGE_PORT, many),
            "forwarded": Case(worker_pid, EDGE_PORT, many, forwarded=True),
        }
        start = 0  # every run goes on where the one before ended, so that no code is still in the cache
        for _ in range(rounds):
            for name, case in cases.items():
                results.setdefault(name, []).append(measure(folder, case, start, seconds))
                start += results[name][-1].requests if name != "nginx" else 0
    answered = sum(run.requests for name, runs in results.items() if name != "nginx" for run in runs)
    spooled = sum(log.read_bytes().count(b"\n") for log in (folder / "data").rglob("*.log"))
    return report(results, answered, spooled)


def report(results: dict[str, list[Measurement]], answered: int, spooled: int) -> int:
    """Print medians over the rounds. Ratios are to nginx in the same round: a slow spell cancels out."""
    print(f"{'case':<10} {'CPU µs':>7} {'x nginx':>8} {'requests/s':>11} {'x nginx':>8} {'p99 ms':>7} errors")
    failures = []
    for name, runs in results.items():
        in_turns = list(zip(runs, results["nginx"], strict=True))
        cpu_ratio = median(run.cpu_us / base.cpu_us for run, base in in_turns)
        rate_ratio = median(run.rate / base.rate for run, base in in_turns)
        print(
            f"{name:<10} {median(run.cpu_us for run in runs):7.2f} {cpu_ratio:8.2f} "
            f"{median(run.rate for run in runs):11,.0f} {rate_ratio:8.2f} "
            f"{median(run.p99_ms for run in runs):7.2f} {sum(run.errors for run in runs):7}"
        )
        if name in MOST_CPU and (cpu_ratio > MOST_CPU[name] or rate_ratio < LEAST_RATE):
            failures.append(f"{name} misses its target: {MOST_CPU[name]}x CPU, {LEAST_RATE}x requests/s")
    # What was answered when wrk hung up is in the spool but not in wrk's count: at most one a connection.
    unseen = CONNECTIONS * sum(len(runs) for name, runs in results.items() if name != "nginx")
    print(f"answered {answered:,}, spooled {spooled:,} (up to {unseen} answers were under way as runs ended)")
    if not answered <= spooled <= answered + unseen:
        failures.append("clicks were lost, or counted twice")
    print("\n".join(failures) or "all targets met")
    return 1 if failures else 0


if __name__ == "__main__":
    main()
