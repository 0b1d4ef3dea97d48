"""schemathesis over the whole OpenAPI document: every check, calls that follow from one another included.

`make schema` runs it, against the real API beside a real Redis and a real warehouse. It is not in the
suite yet: what it still finds are values that the document allows and the code refuses.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.api.conftest import KEY, RunningApi

FOLDER = Path(__file__).parent
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))


async def test_every_call_does_what_the_document_says(api: RunningApi, tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml")),
        *("run", f"{api.url}/openapi.json", "--checks", "all", "--max-examples", str(EXAMPLES)),
        *("--continue-on-failure", "--no-color", "--header", f"Authorization: Bearer {KEY}"),
        *(() if "SCHEMA_EXAMPLES" in os.environ else ("--seed", "1")),
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(FOLDER)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await run.communicate()
    assert run.returncode == 0, output.decode(errors="replace")
