"""Jars for tests, from Maven Central into `.cache`, once for each version of a `pom.xml`."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[1] / ".cache"
FETCH_DEADLINE_S: Final = 300


class JarsUnavailableError(Exception):
    """The jars can't be had on this machine. The text says what to install."""


def fetch_jars(pom: Path, *, name: str, needs: tuple[str, ...]) -> Path:
    """The folder of the jars that `pom` names, fetched if it isn't there; `needs` are programs to run them.

    Raises `JarsUnavailableError`.
    """
    missing = [program for program in needs if shutil.which(program) is None]
    if missing:
        raise JarsUnavailableError(
            f"{', '.join(missing)} missing: apt-get install openjdk-17-jdk-headless maven"
        )
    jars = CACHE / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be fetching them
        if not jars.exists():
            _fetch(pom, jars)
    return jars


def _fetch(pom: Path, jars: Path) -> None:
    if shutil.which("mvn") is None:
        raise JarsUnavailableError("mvn missing: apt-get install maven")
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
        raise JarsUnavailableError(f"the jars of {pom} could not be fetched by mvn: {done.stdout[-1000:]}")
    unfinished.rename(jars)
