"""What this host has, seen without importing torch."""

import os
from pathlib import Path


def gpus() -> int:
    """Number of GPUs that CUDA may use here: the device files, fewer where CUDA_VISIBLE_DEVICES names fewer."""
    files = [path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return len(files)
    return min(len(files), len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))
