"""What a run records of where it trained, and how memory is kept on a CPU."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from runs import ROOT, run_row

from actstudy.training import provenance

MEMORY = """
import ctypes
import os
from actstudy.training import devices

def resident_after_a_block():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    block = ctypes.c_void_p(libc.malloc(SIZE))
    ctypes.memset(block, 1, SIZE)
    libc.free(block)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

SIZE = 2**28
before = resident_after_a_block()
devices._keep_freed_memory()
print(resident_after_a_block() - before > SIZE // 2)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder lib/package of Python files outside of any repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    folder = tmp_path / "project/lib/package"
    (folder / "room").mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n")
    (folder / "room/code.py").write_text("y = 1\n")
    return folder


@pytest.fixture
def repository(package):
    """The folder of the package's project as a repository with one commit."""
    return committed(package.parents[1])


def git(folder, *words):
    author = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    command = ["git", *author, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder):
    """The folder as a repository whose one commit holds all that is in it."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first", "--allow-empty")
    return folder


def recorded(package):
    row = provenance.code(package)
    return row["git_commit"], row["git_dirty"]


def test_the_commit_of_the_code_is_recorded(package, repository):
    assert recorded(package) == (git(repository, "rev-parse", "HEAD"), False)


def test_a_changed_file_is_dirty_and_an_untracked_one_is_not(package, repository):
    (repository / "results.txt").write_text("")
    assert recorded(package)[1] is False
    (repository / "lib/package/room/code.py").write_text("x = 2\n")
    assert recorded(package)[1] is True


def test_a_python_file_that_the_repository_does_not_hold_is_dirty(package, repository):
    (repository / ".gitignore").write_text("mine.py\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    assert recorded(package)[1] is False
    (package / "room/mine.py").write_text("")
    assert recorded(package)[1] is True


def test_a_repository_that_does_not_hold_the_code_is_not_recorded(package, tmp_path, monkeypatch):
    """One around the project, and one that GIT_DIR names."""
    (tmp_path / ".gitignore").write_text("project\n")
    outer = committed(tmp_path)
    assert recorded(package) == (None, None)
    other = committed(package.parents[1])
    monkeypatch.setenv("GIT_DIR", str(outer / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(outer))
    monkeypatch.setenv("GIT_INDEX_FILE", str(outer / "index"))
    commit = recorded(package)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert commit == (git(other, "rev-parse", "HEAD"), False)


def test_a_repository_without_a_commit_is_not_recorded(package):
    git(package.parents[1], "init", "-q")
    git(package.parents[1], "add", ".")
    assert recorded(package) == (None, None)


def test_worktrees_submodules_and_shallow_clones_have_their_commit(repository, tmp_path):
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "worktree", "add", "-q", tmp_path / "tree", "--detach")
    git(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), tmp_path / "shallow")
    outer = tmp_path / "outer"
    outer.mkdir()
    git(committed(outer), "submodule", "add", "-q", repository, "module")
    for folder in (tmp_path / "tree", tmp_path / "shallow", outer / "module"):
        assert recorded(folder / "lib/package") == (commit, False)


def test_a_repository_of_another_user_which_git_does_not_read_is_not_recorded(
    package, repository, monkeypatch
):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert recorded(package) == (None, None)


def test_outside_of_a_repository_no_commit_is_recorded(package):
    assert recorded(package) == (None, None)


def test_without_git_no_commit_is_recorded(package, repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert recorded(package) == (None, None)


def test_the_hash_of_the_code_changes_with_names_and_bytes_of_python_files(package):
    def sha256():
        return provenance.code(package)["code_sha256"]

    hashes = [sha256()]
    (package / "notes.txt").write_text("")
    assert sha256() == hashes[0]
    (package / "room/code.py").write_text("y = 2\n")
    hashes.append(sha256())
    (package / "room/code.py").rename(package / "room/other.py")
    hashes.append(sha256())
    (package / "room/other.py").rename(package / "code.py")
    hashes.append(sha256())
    assert len(set(hashes)) == 4


def test_a_process_reads_its_code_once_as_long_as_it_stays_the_same(package, monkeypatch):
    """Runs of a series follow each other in one process."""
    hashed = []
    sha256 = provenance._sha256
    monkeypatch.setattr(provenance, "_sha256", lambda path: hashed.append(path) or sha256(path))
    rows = [provenance.code_of_process(package) for _ in range(3)]
    assert rows == [provenance.code(package)] * 3
    assert len(hashed) == 2
    (package / "room/code.py").write_text("y = 2  # another\n")
    assert provenance.code_of_process(package) == provenance.code(package) != rows[0]


def test_a_run_records_its_code(train):
    before = provenance.code()
    row = run_row(train("a"))
    assert {name: row[name] for name in before} == before
    assert re.fullmatch("[0-9a-f]{64}", row["code_sha256"])


def test_times_and_versions():
    row = provenance.provenance(86400.0 * 365, "torch")
    assert row["started"] == "1971-01-01T00:00:00Z"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["ended"])
    python = ".".join(map(str, sys.version_info[:3]))
    expected = f"python {python}, torch {torch.__version__}, numpy {np.__version__}"
    assert row["versions"] == expected


def test_the_environment_of_a_run_is_recorded(train):
    folder = train("a")
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["python"] == sys.version
    assert environment["torch"] == torch.__version__
    assert environment["cuda"] == torch.version.cuda
    assert environment["cudnn"] is None
    assert environment["threads"] == 1
    assert environment["cpus"] == os.cpu_count()
    assert environment["device"] == run_row(folder)["device"]
    packages = environment["packages"]
    assert packages == sorted(set(packages))
    for name in ("torch", "numpy", "pyarrow"):
        assert any(re.match(rf"{name}\W", package) for package in packages)
    joined = "\n".join(packages).encode()
    assert environment["packages_sha256"] == hashlib.sha256(joined).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept():
    """In a process that has not asked for it yet: a large freed block goes back, then it stays."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
