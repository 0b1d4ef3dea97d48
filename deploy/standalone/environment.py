"""The virtual environment `.venv` with the locked packages. Standard library only.

A stamp inside the environment says what is installed: the digest of both lock files, whether the development
packages are there too, and for which interpreter. It is taken away before anything changes and written when
all is done, so that an environment without a stamp is one that can't be trusted and is made anew.
"""

import hashlib
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from deploy.standalone.progress import Progress

_RUN_LOCK: Final = "requirements.lock"
_DEV_LOCK: Final = "requirements-dev.lock"
_PIN: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==", re.MULTILINE)
_STEPS: Final = ("Collecting ", "Requirement already satisfied", "Ignoring ")
_ERROR_LINES: Final = 15
_COMMAND: Final = """#!/bin/sh
root={root}
export SMARTLINKS_DATA_DIR="${{SMARTLINKS_DATA_DIR:-$root/var}}"
PYTHONPATH="$root" exec "$root/.venv/bin/python" -P -m api.cli "$@"
"""


class InstallError(Exception):
    """The environment can't be made; the text says why and what to do."""


def folder(root: Path) -> Path:
    return root / ".venv"


def is_installed(root: Path, *, dev: bool) -> bool:
    """Whether the packages in place are those of the lock files. Costs a few small reads and a hash."""
    try:
        stamp = _stamp_path(root).read_text()
        return stamp == _stamp(root, dev=True) or (not dev and stamp == _stamp(root, dev=False))
    except OSError:
        return False


def install(root: Path, *, dev: bool) -> None:
    """Make the environment if need be and install the locked packages, with progress."""
    if is_installed(root, dev=dev):
        return
    stamp = _stamp_path(root)
    if stamp.is_file() and _has_pip(root):
        stamp.unlink()
    else:
        _make_environment(root)
    _install_packages(root, root / (_DEV_LOCK if dev else _RUN_LOCK))
    stamp.write_text(_stamp(root, dev=dev))


def put_command(root: Path) -> None:
    """Put the `smartlinks` command into the environment; it works from any folder."""
    command = folder(root) / "bin" / "smartlinks"
    script = _COMMAND.format(root=shlex.quote(str(root)))
    if not command.is_file() or command.read_text() != script:
        newborn = command.with_name(".smartlinks")
        newborn.write_text(script)
        newborn.chmod(0o755)
        newborn.rename(command)


def compile_edge(root: Path) -> None:
    """Have the redirect path compiled, unless it is, which takes 40 ms to tell: its own Python knows.

    Where it can't be, one line says why, and it runs interpreted.
    """
    subprocess.run((_python(root), "-m", "edge.compile"), cwd=root, check=False)


def _python(root: Path) -> Path:
    return folder(root) / "bin" / "python"


def _stamp_path(root: Path) -> Path:
    return folder(root) / "smartlinks-packages"


def _stamp(root: Path, *, dev: bool) -> str:
    digest = hashlib.sha256()
    for name in (_RUN_LOCK, _DEV_LOCK):
        digest.update((root / name).read_bytes())
    interpreter = _python(root).resolve(strict=True)
    changed_ns = interpreter.stat().st_mtime_ns
    return f"{digest.hexdigest()} {'dev' if dev else 'run'} {interpreter} {changed_ns}\n"


def _has_pip(root: Path) -> bool:
    command: tuple[str | Path, ...] = (_python(root), "-m", "pip", "--version")
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make_environment(root: Path) -> None:
    try:
        import ensurepip
        import venv
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise InstallError(
            f"Python {version} lacks venv and ensurepip: install them (Debian, Ubuntu: apt install "
            f"python{version}-venv)"
        ) from None
    version = sys.version.split()[0]
    print(
        f"Making an environment in {folder(root).name}: Python {version}, pip {ensurepip.version()}",
        flush=True,
    )
    try:
        venv.create(folder(root), clear=True, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallError(f"Can't make an environment in {folder(root)}: {error}") from None


def _install_packages(root: Path, lock: Path) -> None:
    options = (
        "--require-hashes",
        "--no-deps",
        "--no-input",
        "--progress-bar=off",
        "--disable-pip-version-check",
    )
    command = (_python(root), "-m", "pip", "install", *options, "--requirement", lock)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        lines: list[str] = []
        reader = threading.Thread(target=_collect, args=(pip, lines))
        reader.start()
        _show_until_read(reader, lines, total=len(_PIN.findall(lock.read_text())), environment=folder(root))
    if pip.returncode != 0:
        raise InstallError("\n".join([*lines[-_ERROR_LINES:], "The packages can't be installed: see above."]))


def _collect(pip: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert pip.stdout is not None
    lines.extend(line.rstrip() for line in pip.stdout)


def _show_until_read(reader: threading.Thread, lines: list[str], *, total: int, environment: Path) -> None:
    """What is fetched, pip says line by line; what is installed is counted on the disk."""
    fetching, installing = Progress("Fetching packages:"), None
    while reader.is_alive():
        reader.join(timeout=0.2)
        if installing is None:
            fetching.show(sum(line.startswith(_STEPS) for line in list(lines)), total)
            if any(line.startswith("Installing collected packages") for line in list(lines)):
                fetching.finish(f"{total} packages fetched")
                installing = Progress("Installing packages:")
        else:
            installing.show(
                min(total, len(list(environment.glob("lib*/python*/site-packages/*.dist-info")))), total
            )
    if installing is not None:
        installing.finish(f"{total} packages installed")
