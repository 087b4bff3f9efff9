"""What this host has, seen without importing torch."""

import os
from pathlib import Path


def gpus() -> list[str]:
    """Names of the GPUs that CUDA may use here, as in CUDA_VISIBLE_DEVICES, which may name fewer than there are."""
    files = [path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not files:
        return [str(index) for index in range(len(files))]
    return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")][: len(files)]
