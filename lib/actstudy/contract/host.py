"""What this host has, seen without importing torch."""

import os
import re
import shutil
import subprocess


def gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs (MIG devices where there are any) that nvidia-smi lists; one that is lost is not.

    CUDA_VISIBLE_DEVICES, by number in nvidia-smi's order or by UUID, may name fewer.
    """
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True, check=False
    ).stdout
    found = re.findall(r"UUID: (MIG-[\w/-]+)", listed) or re.findall(r"UUID: (GPU-[\w-]+)", listed)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    wanted = [name.strip() for name in visible.split(",") if name.strip()]
    chosen = [
        found[int(name) : int(name) + 1] if name.isdecimal() else _starting(found, name)
        for name in wanted
    ]
    return [name for part in chosen for name in part]


def _starting(found: list[str], name: str) -> list[str]:
    """The device of which a UUID's beginning is given, as CUDA allows."""
    return [uuid for uuid in found if uuid.startswith(name)][:1]
