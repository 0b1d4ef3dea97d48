"""A real SMSC on 127.0.0.1: `Smsc.java` on jSMPP's server side.

The jars come from Maven Central into `.cache`, once.
"""

import asyncio
import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_DEADLINE_S: Final = 60
FETCH_DEADLINE_S: Final = 300
ANSWER_DEADLINE_S: Final = 15
FOLDER: Final = Path(__file__).parent
CACHE: Final = FOLDER.parents[1] / ".cache"
NEEDED: Final = ("java", "javac", "mvn")
JVM_OPTIONS: Final = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class SmscUnavailableError(Exception):
    """There is no SMSC to be had on this machine. The text says what to install."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """One submit_sm as the SMSC read it. `header`, `payload` and `parameters` are hexadecimal digits."""

    to: str
    source: str
    source_ton: str
    source_npi: str
    to_ton: str
    to_npi: str
    data_coding: str
    esm_class: str
    validity: str
    header: str
    payload: str
    text: str
    parameters: str


class Smsc:
    """A running SMSC. `lines` has what it tells, from its start on."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[list[str]] = []
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"smpp://smartlink:secret@127.0.0.1:{self.port}"

    @property
    def submitted(self) -> list[Submitted]:
        return [Submitted(*fields[1:]) for fields in self.lines if fields[0] == "message"]

    @property
    def binds(self) -> int:
        return sum(fields[0] == "bound" for fields in self.lines)

    async def wait_for(self, messages: int) -> list[Submitted]:
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            while len(self.submitted) < messages:
                self._news.clear()
                await self._news.wait()
        return self.submitted

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n").split("\t"))
            self._news.set()

    async def wait_until_open(self) -> None:
        async with asyncio.timeout(START_DEADLINE_S):
            while not self.lines:
                assert self.process.returncode is None, "the SMSC ended"
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running_smsc(port: int) -> AsyncIterator[Smsc]:
    """Start and wait until it listens. Raises `SmscUnavailableError`."""
    jars = await asyncio.to_thread(_jars)
    process = await asyncio.create_subprocess_exec(
        *("java", *JVM_OPTIONS, "-cp", f"{jars}/*", str(FOLDER / "Smsc.java"), str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    smsc = Smsc(process, port)
    listening = asyncio.create_task(smsc.listen())
    try:
        await smsc.wait_until_open()
        yield smsc
    finally:
        if process.returncode is None:
            process.kill()
        await listening
        await process.wait()


def _jars() -> Path:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise SmscUnavailableError(
            f"{', '.join(missing)} missing: apt-get install openjdk-17-jdk-headless maven"
        )
    pom = FOLDER / "pom.xml"
    jars = CACHE / f"smsc-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "smsc.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            _fetch(pom, jars)
    return jars


def _fetch(pom: Path, jars: Path) -> None:
    unfinished = jars.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, f"-DoutputDirectory={unfinished}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_DEADLINE_S,
    )
    if done.returncode:
        raise SmscUnavailableError(f"the SMSC's jars could not be fetched by mvn: {done.stdout[-1000:]}")
    unfinished.rename(jars)
