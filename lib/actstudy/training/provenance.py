"""Where a run trained: versions, packages, device, commit."""

import functools
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import actstudy
from actstudy.contract import frameworks, host
from actstudy.training.devices import describe

DRIVER = Path("/proc/driver/nvidia/version")
PACKAGE = Path(actstudy.__file__).parent
REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
)


def environment(device: torch.device, framework: str) -> dict[str, Any]:
    """What `environment.json` records: interpreter, torch, CUDA, device, threads, packages.

    With Keras also its version and its back end's.
    """
    packages = _packages(tuple(sys.path))
    return {
        "python": sys.version,
        "torch": torch.__version__,
        "framework": framework,
        **frameworks.versions(framework),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "driver": DRIVER.read_text().splitlines()[0] if DRIVER.exists() else None,
        "device": describe(device),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "slurm": host.slurm(),
        "packages": list(packages),
        "packages_sha256": hashlib.sha256("\n".join(packages).encode()).hexdigest(),
    }


@functools.cache
def _packages(places: tuple[str, ...]) -> tuple[str, ...]:
    """What is installed in folders of Python's path: names with versions, in order."""
    names = {path.stem for place in places for path in Path(place or ".").glob("*.dist-info")}
    return tuple(sorted(names))


def provenance(started: float, framework: str) -> dict[str, Any]:
    """Columns of `runs` on a run's time and versions; started: seconds since the epoch."""
    python = sys.version.split()[0]
    versions = f"python {python}, torch {torch.__version__}, numpy {np.__version__}"
    for name, version in frameworks.versions(framework).items():
        versions += f", {name} {version}"
    return {
        "versions": versions,
        "started": timestamp(started),
        "ended": timestamp(time.time()),
    }


def code(package: Path = PACKAGE) -> dict[str, Any]:
    """Columns of `runs` on a package's code as it is now, before training starts.

    The commit is that of the repository which holds the package's files; of any other repository,
    in which the package only lies, it is null. Dirty: a file of the repository was changed, or the
    package has a Python file which the repository does not hold.
    """
    commit = None
    dirty = None
    if _git(package, "ls-files", "*.py"):
        commit = _git(package, "rev-parse", "--verify", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no")
        added = _git(package, "ls-files", "--others", "*.py")
        if commit is not None and changed is not None:
            dirty = bool(changed or added)
    return {"git_commit": commit, "git_dirty": dirty, "code_sha256": _sha256(package)}


def code_of_process(package: Path = PACKAGE) -> dict[str, Any]:
    """The same, asked once per process as long as no Python file of the package changes.

    A later run of the process trains by what was imported for the first one.
    """
    return dict(_code_of(package, tuple(sorted(_stamps(package)))))


def _stamps(package: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of each Python file; pathlib would take five times as long."""
    for folder, _, names in os.walk(package):
        for name in names:
            if name.endswith(".py"):
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116
                yield f"{folder}/{name}", status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=1)
def _code_of(package: Path, _stamps: tuple[tuple[str, int, int], ...]) -> dict[str, Any]:
    return code(package)


def _sha256(package: Path) -> str:
    """The SHA-256 over path and bytes of each Python file of a package, in hex."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.startswith("shipped/"):  # a wheel's alone: a clone has these files elsewhere
            continue
        content = hashlib.sha256(path.read_bytes())
        digest.update(f"{content.hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as UTC in ISO 8601, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _git(folder: Path, *command: str) -> str | None:
    """What git prints of the repository around a folder; None outside of one or without git.

    Variables like GIT_DIR, which name another repository, are not passed on. Nothing is locked.
    """
    environment = {name: os.environ[name] for name in os.environ if name not in REPOSITORY}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", *command], cwd=folder, env=environment, capture_output=True, check=False
        )
    except OSError:
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
