"""Which modules of the edge run compiled, where their compiled form lies, and whether it is the one in use.

`edge.compile` makes C extensions of the same sources, in a folder that is named by a digest of all that they
were made of. Who imports `edge` gets them by that name or not at all: an edited source is never run in the
form that it had before, but interpreted until it is compiled again.
"""

import hashlib
import os
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
BUILD: Final = ROOT / "build"
FOLDER_PREFIX: Final = "edge-"
INTERPRETED: Final = "SMARTLINKS_INTERPRETED"
LIBRARY: Final = "edge.redirect_path"
"""The library that all compiled modules are in; mypyc puts `__mypyc` behind it."""

MODULES: Final = (
    "address",
    "answers",
    "cache",
    "click_json",
    "code_cache",
    "code_finder",
    "code_layout",
    "counters",
    "domains",
    "headers",
    "known_link",
    "lane",
    "redirector",
    "redis_pipeline",
    "request",
    "resolver",
    "routing",
    "spool_frame",
)
"""The redirect path, as names in the package `edge`. What they import may stay interpreted."""


def is_switched_off() -> bool:
    """Whether the environment (not `.env`, which is read much later) asks for everything interpreted."""
    return os.environ.get(INTERPRETED) == "1"


def folder() -> Path:
    """Where the compiled modules of these sources lie, for this Python; whether they do is another matter.

    All modules of the edge count, for compiled code relies on what types the others told, and so does the
    lock file, which pins the compiler and the packages whose types it read. Raises `OSError`.
    """
    digest = hashlib.sha256(f"{sys.version} {EXTENSION_SUFFIXES[0]}".encode())
    package = str(ROOT / "edge")  # plain strings: whoever imports the edge waits for this
    names = sorted(name for name in os.listdir(package) if name.endswith(".py"))  # noqa: PTH208 - as above
    for path in (*(f"{package}/{name}" for name in names), f"{ROOT}/requirements.lock"):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            source = file.read()
        digest.update(b"%d %b" % (len(source), path.rpartition("/")[2].encode()))
        digest.update(source)
    return BUILD / (FOLDER_PREFIX + digest.hexdigest()[:32])


def put_first(package_path: list[str]) -> None:
    """Put the compiled modules before the sources in `edge.__path__`, where there are any that load."""
    if is_switched_off():
        return
    try:
        package = folder() / "edge"
    except OSError:  # the sources are not where they were imported from, or without a lock file
        return
    if not package.is_dir():
        return
    package_path.insert(0, str(package))
    try:
        import_module(f"{LIBRARY}__mypyc")
    except ImportError:  # made on another machine, or on a disk that nothing may be executed from
        package_path.pop(0)


def is_in_use() -> bool:
    """Whether the redirect path runs compiled. Imports it."""
    modules = (import_module(f"edge.{name}") for name in MODULES)
    return all(isinstance(module.__loader__, ExtensionFileLoader) for module in modules)
