"""A real SMSC on 127.0.0.1: `Smsc.java` on jSMPP's server side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.maven_jars import fetch_jars

START_DEADLINE_S: Final = 180
ANSWER_DEADLINE_S: Final = 180
FOLDER: Final = Path(__file__).parent
NEEDED: Final = ("java", "javac", "mvn")
JVM_OPTIONS: Final = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


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
    """Start and wait until it listens. Raises `JarsUnavailableError`."""
    jars = await asyncio.to_thread(fetch_jars, FOLDER / "pom.xml", name="smsc", needs=NEEDED)
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
