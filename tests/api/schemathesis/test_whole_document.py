"""schemathesis over the whole OpenAPI document: every check, calls that follow from one another included.

The real API is called, beside a real Redis and a real warehouse. The suite does it with few values, the same
every time; `make schema` with many new ones, and with every edge of every schema.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.api.conftest import KEY, RunningApi

ROOT = Path(__file__).parents[3]
EXAMPLES = os.environ.get("SCHEMA_EXAMPLES")
_SHORT = ("--phases", "examples,fuzzing,stateful", "--max-examples", "3", "--seed", "1")


async def test_every_call_does_what_the_document_says(api: RunningApi, tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{api.url}/openapi.json", "--checks", "all", "--continue-on-failure", "--no-color"),
        *("--header", f"Authorization: Bearer {KEY}"),
        *(("--max-examples", EXAMPLES) if EXAMPLES else _SHORT),
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis.hooks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await run.communicate()
    assert run.returncode == 0, output.decode(errors="replace")
