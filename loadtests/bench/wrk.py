"""Closed-loop load by wrk: as fast as the server answers, one request under way on each connection."""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Final

from loadtests.neighbours import LOAD_CORE, Server
from loadtests.phones import header_lines
from loadtests.processes import (
    can_count_instructions,
    counted_instructions,
    counting_instructions,
    cpu_s,
)

CONNECTIONS: Final = 64

_SCRIPT: Final = Template("""
local heads, codes, at = {}, {}, $start
for line in io.lines("$heads") do heads[#heads + 1] = (line:gsub("|", "\\r\\n")) .. "\\r\\n" end
for line in io.lines("$codes") do codes[#codes + 1] = line end
local head_count, code_count, forwarded, closing = #heads, #codes, $forwarded, $closing
function request()
  at = at + 1
  local more, head = "", heads[at % head_count + 1]
  if forwarded then
    more = "X-Forwarded-For: 10." .. at % 200 .. "." .. at % 249 .. "." .. at % 251 .. "\\r\\n"
  end
  if closing > 0 and at % closing == 0 then head = head:gsub("keep%-alive", "close") end
  return "GET /" .. codes[at % code_count + 1] .. " HTTP/1.1\\r\\n" .. head .. more .. "\\r\\n"
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
    """Requests for the codes in the file `codes`, one after the other, by phones of `releases` releases.

    `forwarded`: each has an `X-Forwarded-For` of its own, so no header block is ever seen twice.
    `closing`: each so-many-eth asks for its connection to be closed; 0 for none.
    """

    server: Server
    codes: Path
    forwarded: bool = False
    closing: int = 0
    releases: int = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. `cpu_us` is the server's user and system time a request, `rate` is requests a second.

    `instructions` a request, in user space; None where they can't be counted.
    """

    requests: int
    cpu_us: float
    rate: float
    p99_ms: float
    errors: int
    instructions: float | None


class Wrk:
    """Runs cases. Each run goes on in the code list where the one before ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = 0
        self._counts_instructions = can_count_instructions()

    def measure(self, case: Case, seconds: float) -> Measurement:
        script, counts = self._folder / "load.lua", self._folder / "instructions"
        heads = self._folder / f"heads-{case.releases}.txt"
        if not heads.exists():
            heads.write_text("\n".join("|".join(lines) for lines in header_lines("localhost", case.releases)))
        script.write_text(
            _SCRIPT.substitute(
                heads=heads,
                codes=case.codes,
                forwarded=str(case.forwarded).lower(),
                closing=case.closing,
                start=self._next,
            )
        )
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
        command += ["-s", str(script), f"http://127.0.0.1:{case.server.port}/"]
        if self._counts_instructions:
            command = counting_instructions(case.server.pid, command, counts)
        before_s = cpu_s(case.server.pid)
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        used_s = cpu_s(case.server.pid) - before_s
        requests, duration_us, p99_us, errors = map(float, output.rpartition("RESULT ")[2].split())
        self._next += int(requests)
        measured = Measurement(
            requests=int(requests),
            cpu_us=used_s / max(1, requests) * 1e6,  # on a busy machine a second may see none
            rate=requests / duration_us * 1e6,
            p99_ms=p99_us / 1e3,
            errors=int(errors),
            instructions=None,
        )
        if self._counts_instructions:
            return replace(measured, instructions=counted_instructions(counts) / max(1, requests))
        return measured
