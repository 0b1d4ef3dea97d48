"""The command line as a process of its own."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.api.conftest import KEY

ROOT = Path(__file__).resolve().parents[2]


async def run(
    url: str, *arguments: str, stdin: bytes = b"", key: str | None = KEY, folder: Path = ROOT
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    environment = {"PYTHONPATH": str(ROOT), "SMARTLINKS_URL": url, "COLUMNS": "200"}
    if key is not None:
        environment["SMARTLINKS_KEY"] = key
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
    )
    output, errors = await process.communicate(stdin)
    return process.returncode or 0, output.decode(), errors.decode()


async def run_json(url: str, *arguments: str, stdin: bytes = b"") -> Any:
    """What the command answers with --json; a list where it answers a value a line."""
    code, output, errors = await run(url, "--json", *arguments, stdin=stdin)
    assert code == 0, errors
    lines = [json.loads(line) for line in output.splitlines()]
    return lines[0] if len(lines) == 1 else lines
