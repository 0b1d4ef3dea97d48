"""The bootstrap, on a small lock file: real environments, real pip, real npm."""

import ast
import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.standalone import node_packages
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, check_promise
from tests.fixtures.system import ROOT

pytestmark = RUN_AGAIN_IF_BROKEN

WARM_CPU_S = 0.2  # with nothing to install; it is not timed, for others use the machine too
PACKAGES = {"requirements.lock": ("idna",), "requirements-dev.lock": ("idna", "iniconfig")}


def pin_of(package: str) -> str:
    """The package's lines in the real lock file, hashes and all."""
    lock = (ROOT / "requirements-dev.lock").read_text()
    found = re.search(rf"^{package}==(?:.*\\\n)+.*\n", lock, re.MULTILINE)
    assert found is not None, package
    return found[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a lock file of one package, whose data files are in place, and its edge compiled."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "deploy", root / "deploy", ignore=shutil.ignore_patterns("node_modules"))
    for name, packages in PACKAGES.items():
        (root / name).write_text("".join(map(pin_of, packages)))
    lock = root / "deploy" / "standalone" / "data" / "package-lock.json"
    lock.write_text('{"packages": {"": {}}}')
    (root / "edge").mkdir()
    (root / "edge" / "compile.py").touch()
    (lock.parent / "node_modules").mkdir()
    shutil.copy(lock, lock.parent / "node_modules" / ".package-lock.json")
    return root


def bootstrap(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.standalone.bootstrap", *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def cpu_of_children_s() -> float:
    """CPU time of all processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def has(root: Path, package: str) -> bool:
    command = [root / ".venv" / "bin" / "python", "-c", f"import {package}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_installs_once_and_costs_nothing_afterwards(checkout: Path) -> None:
    first = bootstrap(checkout)
    assert first.returncode == 0, first.stderr
    assert "1 packages installed" in first.stdout
    assert has(checkout, "idna")
    command = subprocess.run([checkout / ".venv/bin/smartlinks"], capture_output=True, text=True, check=False)
    assert "No module named 'api'" in command.stderr  # this checkout has none; the command looks for it there
    seconds = []
    for _ in range(3):
        before_s = cpu_of_children_s()
        again = bootstrap(checkout)
        seconds.append(cpu_of_children_s() - before_s)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    check_promise(min(seconds), WARM_CPU_S)


def test_a_redirect_path_that_is_not_compiled_is_no_failure(checkout: Path) -> None:
    (checkout / "edge" / "compile.py").write_text("import sys; sys.exit('it runs interpreted')")
    for _ in range(2):  # also where all else is in place
        done = bootstrap(checkout)
        assert (done.returncode, done.stderr) == (0, "it runs interpreted\n")


def test_adds_the_development_packages_when_asked_to(checkout: Path) -> None:
    assert bootstrap(checkout).returncode == 0
    assert not has(checkout, "iniconfig")
    assert bootstrap(checkout, "--dev").returncode == 0
    assert has(checkout, "iniconfig")
    assert bootstrap(checkout).stdout == ""  # they do for a plain start too


def test_an_interrupted_installation_is_made_anew(checkout: Path) -> None:
    assert bootstrap(checkout).returncode == 0
    site_packages = next((checkout / ".venv" / "lib").glob("python*/site-packages"))
    (checkout / ".venv" / "smartlinks-packages").unlink()  # what it takes away first and writes last
    (site_packages / "idna" / "core.py").unlink()
    assert bootstrap(checkout).returncode == 0
    assert has(checkout, "idna")


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Path) -> None:
    assert bootstrap(checkout).returncode == 0
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert bootstrap(checkout).returncode == 0
    assert has(checkout, "idna")


def test_refuses_a_package_that_is_not_the_locked_one(checkout: Path) -> None:
    lock = checkout / "requirements.lock"
    lock.write_text(re.sub(r"sha256:\w+", f"sha256:{hashlib.sha256(b'other').hexdigest()}", lock.read_text()))
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert done.stderr.splitlines()[-1] == "The packages can't be installed: see above."
    assert bootstrap(checkout).returncode == 1  # nor is it taken for installed


def test_says_what_is_missing_where_python_has_no_ensurepip(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None")
    done = bootstrap(checkout, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "lacks venv and ensurepip" in line


def test_older_pythons_can_read_it() -> None:
    source = (ROOT / "deploy" / "standalone" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 7))


def test_all_else_runs_without_the_city_database(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / "deploy" / "standalone" / "data" / "node_modules")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("npm", "node"):
        (programs / name).write_text("#!/bin/sh\necho 'npm error network unreachable' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    done = bootstrap(checkout, PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert "city database" in line
    assert "network unreachable" in line


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the demo's npm project, nothing installed."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "deploy" / "demo" / name, folder)
    return folder


def test_the_npm_in_the_environment_does_where_path_has_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not node_packages.is_installed(project)
    node_packages.install(project, "files", Path(sys.prefix))
    assert node_packages.is_installed(project)
    assert (project / "node_modules" / "user-agents" / "dist" / "user-agents.json").is_file()


def test_an_npm_that_never_ends_is_ended(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("npm", "node"):
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(node_packages.InstallError, match="no end after 1 s"):
        node_packages.install(project, "files", Path(sys.prefix), timeout_s=1.0)


def test_lock_files_of_npm_name_no_registry_and_keep_their_hashes() -> None:
    for folder in ("standalone/data", "demo"):
        lock = (ROOT / "deploy" / folder / "package-lock.json").read_text()
        assert '"resolved"' not in lock
        assert '"integrity": "sha512-' in lock
