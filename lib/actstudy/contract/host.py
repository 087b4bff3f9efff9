"""GPUs of this host, listed without importing torch."""

import os
import re
import shutil
import subprocess


def gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs that nvidia-smi lists, or of their MIG devices if there are any.

    A lost GPU is not listed. CUDA_VISIBLE_DEVICES limits them by number, in nvidia-smi's order,
    or by UUID.
    """
    if not shutil.which("nvidia-smi"):
        return []
    listing = subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True, check=False
    ).stdout
    uuids = re.findall(r"UUID: (MIG-[\w/-]+)", listing)
    if not uuids:
        uuids = re.findall(r"UUID: (GPU-[\w-]+)", listing)
    limit = os.environ.get("CUDA_VISIBLE_DEVICES")
    if limit is None:
        return uuids
    visible = []
    for name in limit.split(","):
        visible += _matching(uuids, name.strip())
    return visible


def _matching(uuids: list[str], name: str) -> list[str]:
    """The device, at most one, of a number or of the beginning of a UUID, as CUDA allows."""
    if not name:
        return []
    if name.isdecimal():
        return uuids[int(name) : int(name) + 1]
    return [uuid for uuid in uuids if uuid.startswith(name)][:1]
