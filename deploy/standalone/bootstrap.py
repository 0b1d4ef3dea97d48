"""Makes what `make run` and `make test` need: the environment, the locked packages, the data files.

    python3 -m deploy.standalone.bootstrap [--dev]

Runs on the system's Python with its standard library alone. What is already in place is left alone, which
takes milliseconds; what an interrupted run left behind is made anew. Written so that Python 3.7 can still
read it, to go over to a newer one or to say which is needed.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CITY_DATABASE = ROOT / "deploy" / "standalone" / "data"


def main(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - older Pythons read this
    """0 when all that is needed is there; 1 after one line that says what is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - as above
        return _go_over_to_newer_python(arguments)
    from deploy.standalone import environment, node_packages

    dev = "--dev" in arguments
    is_installed = environment.is_installed(ROOT, dev=dev) and node_packages.is_installed(CITY_DATABASE)
    if not is_installed and not _install(dev=dev):
        return 1
    environment.put_command(ROOT)
    environment.compile_edge(ROOT)
    return 0


def _install(*, dev: bool) -> bool:
    from deploy.standalone import environment, node_packages

    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second start waits here, and then finds all in place
        try:
            environment.install(ROOT, dev=dev)
        except environment.InstallError as error:
            print(error, file=sys.stderr)
            return False
        if not os.environ.get("SMARTLINKS_GEOIP_PATH"):
            try:
                node_packages.install(CITY_DATABASE, "the city database of DB-IP", environment.folder(ROOT))
            except node_packages.InstallError as error:  # all else runs without it
                print(f"Places stay unknown, for want of a city database: {error}", file=sys.stderr)
    return True


def _go_over_to_newer_python(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as above
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        newer = shutil.which(name)
        if newer is not None:
            os.execv(newer, [newer, "-m", "deploy.standalone.bootstrap", *arguments])  # noqa: S606
    print("Smart Links needs Python 3.11 or newer; this is " + sys.version.split()[0], file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        sys.exit("Stopped before all was installed; the next start begins it again.")
