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
def repository(tmp_path, monkeypatch):
    """A repository with one commit of the file code.py, from which `provenance` seems to run."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "first")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "code.py"))
    return tmp_path


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_of_the_code_is_recorded(repository):
    row = provenance.provenance(0.0)
    assert row["git_commit"] == git(repository, "rev-parse", "HEAD")
    assert row["git_dirty"] is False


def test_a_changed_file_is_dirty_and_an_untracked_one_is_not(repository):
    (repository / "results.txt").write_text("")
    assert provenance.provenance(0.0)["git_dirty"] is False
    (repository / "code.py").write_text("x = 2\n")
    assert provenance.provenance(0.0)["git_dirty"] is True


def test_outside_of_a_repository_no_commit_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "code.py"))
    row = provenance.provenance(0.0)
    assert row["git_commit"] is None
    assert row["git_dirty"] is None


def test_without_git_no_commit_is_recorded(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    row = provenance.provenance(0.0)
    assert row["git_commit"] is None
    assert row["git_dirty"] is None


def test_times_and_versions(repository):
    row = provenance.provenance(86400.0 * 365)
    assert row["started"] == "1971-01-01T00:00:00Z"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["ended"])
    python = ".".join(map(str, sys.version_info[:3]))
    expected = f"python {python}, torch {torch.__version__}, numpy {np.__version__}"
    assert row["versions"] == expected


def test_the_environment_of_a_run_is_recorded(train):
    folder = train("a")
    recorded = json.loads((folder / "environment.json").read_text())
    assert recorded["python"] == sys.version
    assert recorded["torch"] == torch.__version__
    assert recorded["cuda"] == torch.version.cuda
    assert recorded["cudnn"] is None
    assert recorded["threads"] == 1
    assert recorded["cpus"] == os.cpu_count()
    assert recorded["device"] == run_row(folder)["device"]
    packages = recorded["packages"]
    assert packages == sorted(set(packages))
    for name in ("torch", "numpy", "pyarrow"):
        assert any(re.match(rf"{name}\W", package) for package in packages)
    joined = "\n".join(packages).encode()
    assert recorded["packages_sha256"] == hashlib.sha256(joined).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept():
    """In a process that has not asked for it yet: a large freed block goes back, then it stays."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
