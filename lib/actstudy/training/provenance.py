"""Where a run trained: versions, packages, device, commit."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actstudy.training.devices import describe

DRIVER = Path("/proc/driver/nvidia/version")


def environment(device: torch.device) -> dict[str, Any]:
    """What `environment.json` records: interpreter, torch, CUDA, device, threads, packages."""
    packages = sorted(
        {path.stem for place in sys.path for path in Path(place or ".").glob("*.dist-info")}
    )
    return {
        "python": sys.version,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "driver": DRIVER.read_text().splitlines()[0] if DRIVER.exists() else None,
        "device": describe(device),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "packages": packages,
        "packages_sha256": hashlib.sha256("\n".join(packages).encode()).hexdigest(),
    }


def provenance(started: float) -> dict[str, Any]:
    """Columns of `runs` on a run's time and code; started: seconds since the epoch."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    python = sys.version.split()[0]
    return {
        "versions": f"python {python}, torch {torch.__version__}, numpy {np.__version__}",
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if status is None else bool(status),
        "started": timestamp(started),
        "ended": timestamp(time.time()),
    }


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as UTC in ISO 8601, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _git(*command: str) -> str | None:
    """What git prints, or None outside a repository or without git."""
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
