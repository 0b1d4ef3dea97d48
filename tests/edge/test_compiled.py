"""The redirect path compiled, and all that keeps it from being run in another form than its sources."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from edge.compile import CompileError, check_tools
from edge.compiled import MODULES, ROOT, folder
from tests.edge.test_processes import running
from tests.fixtures.redis import RedisServer

DEADLINE_S = 280
EXACTNESS = (
    "lane",
    "smuggling",
    "answer_bytes",
    "click_contents",
    "click_schema",
    "stalled",
    "deadlines",
    "cache",
)
WHERE = f"""
from importlib import import_module
from edge.compiled import is_in_use
print(is_in_use(), *(import_module("edge." + name).__file__ for name in {MODULES}))
"""


def run(root: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def where(root: Path, **environment: str) -> tuple[bool, list[str]]:
    """Whether the redirect path is in use compiled, and the files of its modules."""
    done = run(root, "-c", WHERE, **environment)
    assert done.returncode == 0, done.stderr
    is_in_use, *files = done.stdout.split()
    return is_in_use == "True", files


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The folder of this checkout's compiled modules, as `make environment` leaves it."""
    try:
        check_tools()
    except CompileError as error:
        pytest.skip(f"{error}: runs this test, too")
    done = run(ROOT, "-m", "edge.compile")
    assert done.returncode == 0, done.stderr
    return folder()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout of the edge alone, not compiled."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "edge", root / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", root)
    return root


@pytest.fixture
def checkout(sources: Path, compiled: Path) -> Path:
    """The same, compiled."""
    shutil.copytree(compiled, sources / "build" / compiled.name)
    return sources


@pytest.mark.needs_compiler
def test_the_whole_redirect_path_runs_compiled(checkout: Path) -> None:
    is_in_use, files = where(checkout)
    assert is_in_use
    build = str(checkout / "build")
    assert all(file.startswith(build) and file.endswith(EXTENSION_SUFFIXES[0]) for file in files)


@pytest.mark.needs_compiler
def test_the_environment_can_ask_for_it_interpreted(checkout: Path) -> None:
    is_in_use, files = where(checkout, SMARTLINKS_INTERPRETED="1")
    assert not is_in_use
    assert files == [str(checkout / "edge" / f"{name}.py") for name in MODULES]
    assert where(checkout, SMARTLINKS_INTERPRETED="")[0], "an empty one counts as unset"


@pytest.mark.needs_compiler
@pytest.mark.parametrize("edited", ["edge/resolver.py", "edge/links.py", "edge/new.py", "requirements.lock"])
def test_what_was_edited_runs_as_it_stands(checkout: Path, edited: str) -> None:
    """A module that is compiled, one that is not, one that is new, and other packages."""
    path = checkout / edited
    before = path.read_bytes() if path.exists() else None
    path.write_bytes((before or b"") + b"# edited\n")
    assert not where(checkout)[0]
    path.unlink() if before is None else path.write_bytes(before)
    assert where(checkout)[0]


@pytest.mark.needs_compiler
def test_what_does_not_load_is_left_alone(checkout: Path) -> None:
    """As what was compiled for another machine."""
    [library] = checkout.glob("build/*/edge/redirect_path__mypyc.*")
    library.write_bytes(b"\x7fELF of no machine".ljust(4_096))
    is_in_use, files = where(checkout)
    assert not is_in_use
    assert files == [str(checkout / "edge" / f"{name}.py") for name in MODULES]


@pytest.mark.needs_compiler
def test_of_two_at_once_one_compiles_and_what_is_old_goes(sources: Path) -> None:
    listed = sources / "edge" / "compiled.py"
    shortened, count = re.subn(
        r"MODULES: Final = \([^)]+\)", 'MODULES: Final = ("counters",)', listed.read_text()
    )
    assert count == 1
    listed.write_text(shortened)
    for left_behind in ("edge-0123456789abcdef", ".edge-killed"):
        (sources / "build" / left_behind).mkdir(parents=True)
    command = [sys.executable, "-m", "edge.compile"]
    both = [
        subprocess.Popen(command, cwd=sources, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(each.communicate(timeout=DEADLINE_S) for each in both)
    assert [each.returncode for each in both] == [0, 0], said
    assert said[0] == ("", "")
    begun, done = said[1][0].splitlines()
    assert begun.startswith("Compiling the redirect path")
    assert done.startswith("Compiled the redirect path")
    [built] = (sources / "build").iterdir()
    assert {file.name.partition(".")[0] for file in (built / "edge").iterdir()} == {
        "counters",
        "redirect_path__mypyc",
    }
    again = run(sources, "-m", "edge.compile")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.needs_compiler
def test_what_does_not_compile_is_told_in_one_line(sources: Path) -> None:
    with (sources / "edge" / "cache.py").open("a") as source:
        source.write("def broken(:\n")
    done = run(sources, "-m", "edge.compile")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("The redirect path runs interpreted, which is slower: the compiler failed")
    assert "edge/cache.py" in (sources / ".cache" / "edge-compile.log").read_text()
    assert [*(sources / "build").iterdir()] == []


def test_without_a_compiler_one_line_says_what_to_install(sources: Path) -> None:
    done = run(sources, "-m", "edge.compile", PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("The redirect path runs interpreted, which is slower: there is no C compiler")
    assert "apt install gcc python3." in line
    assert not where(sources)[0]
    assert run(sources, "-m", "edge.compile", PATH="/nowhere", SMARTLINKS_INTERPRETED="1").stderr == ""


def test_without_headers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: sys.executable)  # a program that exists
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(CompileError, match=r"Python\.h is not in .*apt install gcc python3\.\d+-dev"):
        check_tools()


@pytest.mark.needs_compiler
def test_a_worker_says_that_it_runs_compiled(
    compiled: Path, redis_server: RedisServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(redis_server, tmp_path, workers=2) as program:
        assert program.metric("smartlinks_edge_compiled") == 1
        assert program.status() == 302
    assert capfd.readouterr().err.count("the redirect path runs compiled") == 2


def test_a_worker_says_that_it_runs_interpreted(
    redis_server: RedisServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(redis_server, tmp_path, SMARTLINKS_INTERPRETED="1") as program:
        assert program.metric("smartlinks_edge_compiled") == 0
        assert program.status() == 302
    assert capfd.readouterr().err.count("the redirect path runs interpreted") == 1


def test_it_is_as_exact_interpreted() -> None:
    """The rest of the suite runs what is compiled."""
    exactness = [ROOT / "tests" / "edge" / f"test_{theme}.py" for theme in EXACTNESS]
    done = run(ROOT, "-m", "pytest", "-q", "-p", "no:cacheprovider", *exactness, SMARTLINKS_INTERPRETED="1")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
