"""`python -m edge.compile`: compiles the redirect path with mypyc, unless that is done for these sources.

Exit code 1 after one line that says why it could not be: then the same sources run interpreted, slower, and
nothing else is different.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

import edge
from edge.compiled import BUILD, FOLDER_PREFIX, LIBRARY, MODULES, ROOT, folder, is_switched_off

CACHE: Final = ROOT / ".cache"
LOG: Final = CACHE / "edge-compile.log"
_UNFINISHED: Final = ".edge-"
_MYPY_OPTIONS: Final = (
    "--config-file=",  # what a type checker may complain of is no reason to run interpreted
    "--follow-imports=silent",
    "--ignore-missing-imports",
)


class CompileError(Exception):
    """It can't be compiled; the text is one line that says why and what to do."""


def main(arguments: list[str]) -> int:
    """What the program does; `arguments` is a folder to build in for the process that it starts for that."""
    if arguments:
        _build(Path(arguments[0]))
        return 0
    try:
        if is_switched_off() or folder().is_dir():
            return 0
        check_tools()
        with _alone():
            _compile()
    except (CompileError, OSError) as error:
        print(f"The redirect path runs interpreted, which is slower: {error}", file=sys.stderr)
        return 1
    return 0


def check_tools() -> None:
    """Whether a C compiler and Python's headers are there. Raises `CompileError` where not."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None:
        missing = f"there is no C compiler ({compiler}) on PATH"
    elif not header.is_file():
        missing = f"Python's {header.name} is not in {header.parent}"
    else:
        return
    packages = f"gcc python{sys.version_info.major}.{sys.version_info.minor}-dev"
    raise CompileError(f"{missing}; install it (Debian, Ubuntu: apt install {packages}) and start again")


@contextmanager
def _alone() -> Iterator[None]:
    """Whoever comes while another compiles waits here."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "edge-compile.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile() -> None:
    """Compile in a folder of its own, and put that in its place by one rename. Raises `CompileError`."""
    done = folder()
    if done.is_dir():  # by whom we waited for
        return
    print("Compiling the redirect path for this machine: about half a minute, once", flush=True)
    begun_s = time.monotonic()
    BUILD.mkdir(exist_ok=True)
    _remove_all(BUILD, but=None, prefix=_UNFINISHED)  # of who was killed here
    with tempfile.TemporaryDirectory(dir=BUILD, prefix=_UNFINISHED) as unfinished:
        command = (sys.executable, "-m", "edge.compile", unfinished)
        with LOG.open("wb") as log:
            built = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False)
        if built.returncode != 0:
            raise CompileError(f"the compiler failed, {LOG.relative_to(ROOT)} says how")
        if folder() != done:
            raise CompileError("a source was changed meanwhile; start again")
        modules = Path(unfinished, "modules")
        _sync(modules)
        modules.rename(done)
    _remove_all(BUILD, but=done, prefix=FOLDER_PREFIX)
    print(f"Compiled the redirect path, {time.monotonic() - begun_s:.1f} s", flush=True)


def _sync(parent: Path) -> None:
    """Have the disk hold all files, so that no power cut leaves a module in half under its final name."""
    for path in parent.glob("*/*"):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove_all(parent: Path, *, prefix: str, but: Path | None) -> None:
    for each in parent.glob(f"{prefix}*"):
        if each != but:
            shutil.rmtree(each, ignore_errors=True)


def _build(unfinished: Path) -> None:
    """Compile into `unfinished/modules`, and import all that came of it once. Ends the process on errors."""
    import setuptools  # first: mypyc asks whether it is there
    from mypyc.build import mypycify
    from setuptools.command.build_ext import build_ext

    sources = [f"edge/{name}.py" for name in MODULES]
    extensions = mypycify(
        [*_MYPY_OPTIONS, *sources], opt_level="3", group_name=LIBRARY, target_dir=str(unfinished / "c")
    )
    for extension in extensions:
        extension.extra_compile_args.append("-Wno-error")  # a newer compiler may warn of more
    command = build_ext(setuptools.Distribution({"ext_modules": extensions}))
    command.build_lib = str(unfinished / "modules")
    command.build_temp = str(unfinished / "objects")
    command.ensure_finalized()
    command.run()
    edge.__path__.insert(0, str(unfinished / "modules" / "edge"))
    for name in MODULES:
        import_module(f"edge.{name}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("The redirect path was not compiled.")
