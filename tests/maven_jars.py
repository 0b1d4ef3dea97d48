"""Jars for tests, from Maven Central into `.cache`, once for each version of a `pom.xml`."""

import fcntl
import hashlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[1] / ".cache"
FETCH_DEADLINE_S: Final = 300
PAUSES_S: Final = (0, 5, 20)  # before each try: networks fail for a moment
_unavailable: dict[str, str] = {}


class JarsUnavailableError(Exception):
    """The jars can't be had on this machine. The text says what to install."""


def fetch_jars(pom: Path, *, name: str, needs: tuple[str, ...]) -> Path:
    """The folder of the jars that `pom` names, fetched if it isn't there; `needs` are programs to run them.

    What could not be fetched is not tried again by this process. Raises `JarsUnavailableError`.
    """
    if name in _unavailable:
        raise JarsUnavailableError(_unavailable[name])
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
            try:
                _fetch(pom, jars)
            except JarsUnavailableError as error:
                _unavailable[name] = str(error)
                raise
    return jars


def _fetch(pom: Path, jars: Path) -> None:
    if shutil.which("mvn") is None:
        raise JarsUnavailableError("mvn missing: apt-get install maven")
    unfinished = jars.with_suffix(".new")
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies"]
    why = ""
    for pause_s in PAUSES_S:
        time.sleep(pause_s)
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={unfinished}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=FETCH_DEADLINE_S,
            )
        except subprocess.TimeoutExpired:
            why = f"no end after {FETCH_DEADLINE_S} s"
            continue
        if not done.returncode:
            unfinished.rename(jars)
            return
        why = done.stdout[-1000:]
    raise JarsUnavailableError(f"the jars of {pom} could not be fetched by mvn: {why}")
