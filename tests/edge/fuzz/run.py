"""`make fuzz`: each target for its share of the time, guided by coverage (atheris, on x86-64 Linux).

An input that fails is kept in `tests/edge/regressions/<target>-<its SHA-1>`, and is a test from then on.
What was found to reach new code is kept in `.cache/fuzz/<target>/`, for the next run to start from.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REGRESSIONS = Path(__file__).parents[1] / "regressions"
CORPUS = Path(".cache") / "fuzz"


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process. libFuzzer ends the process itself."""
    os.environ["SMARTLINKS_INTERPRETED"] = "1"  # of compiled code it sees no coverage
    import atheris

    with atheris.instrument_imports(include=["edge"]):
        from tests.edge.fuzz.targets import SEEDS, TARGETS

    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={REGRESSIONS}/{name}-"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", "-print_final_stats=1", str(corpus)], TARGETS[name])
    atheris.Fuzz()


def main() -> None:
    seconds = int(sys.argv[1])
    if len(sys.argv) > 2:
        fuzz(sys.argv[2], seconds)
        return
    from tests.edge.fuzz.targets import TARGETS

    failed = []
    for name in TARGETS:
        share = max(1, seconds // len(TARGETS))
        command = [sys.executable, "-m", "tests.edge.fuzz.run", str(share), name]
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        done = [
            line for line in ended.stderr.decode(errors="replace").splitlines() if "executed_units" in line
        ]
        sys.stdout.write(f"{name}: {' '.join(done).partition(': ')[2].strip() or '?'} inputs, ")
        sys.stdout.write("all held\n" if ended.returncode == 0 else "FAILED\n")
        if ended.returncode != 0:
            sys.stdout.write(ended.stderr.decode(errors="replace")[-3_000:])
            failed.append(name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
