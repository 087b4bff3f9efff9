"""What a node of a cluster sees: run there by `doctor --cluster`, as `python -m` this module.

Prints one JSON object: the node's name, its clock, whether it sees, may write and is kept out of
a file that the login node has locked, and whether torch reaches the GPU.
"""

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TORCH = """
import json, torch, warnings
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    there = torch.cuda.is_available()
warning = " ".join(str(said[0].message).split()) if said else ""
print(json.dumps([torch.version.cuda, there, warning]))
"""
PATIENCE = 120  # seconds: an import of torch from slow storage


def seen(token: Path, needs_gpu: bool) -> dict[str, Any]:
    """What this node sees of a file that is locked elsewhere, of time, and of its GPU."""
    facts: dict[str, Any] = {"node": socket.gethostname(), "time": time.time()}
    facts["node"] = os.environ.get("SLURMD_NODENAME", facts["node"])
    try:
        with token.open("rb") as handle:
            facts["token"] = handle.read().decode()
            facts["lock"] = _lock(handle.fileno())
        answer = token.with_name(f"{token.name}.node")
        answer.write_text(facts["token"])
        facts["file_time"] = answer.stat().st_mtime
    except OSError as error:
        facts["fault"] = error.strerror
    if needs_gpu:
        facts.update(_gpu())
    return facts


def _lock(handle: int) -> str:
    """`kept out`, as it should be, `let in`, or why there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "kept out"
    except OSError as error:
        return str(error.strerror)
    return "let in"


def _gpu() -> dict[str, Any]:
    """torch's CUDA, whether it finds a GPU, what it says, and the newest CUDA of the driver."""
    facts: dict[str, Any] = {"torch": None, "driver": None}
    done = subprocess.run(
        [sys.executable, "-c", TORCH], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode == 0:
        facts["torch"], facts["reached"], facts["said"] = json.loads(done.stdout)
    else:
        facts["reached"] = False
        facts["said"] = "".join(done.stderr.strip().splitlines()[-1:])
    try:
        listing = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return facts
    if newest := re.search(r"CUDA Version: *([\d.]+)", listing):
        facts["driver"] = newest[1]
    return facts


if __name__ == "__main__":
    print(json.dumps(seen(Path(sys.argv[1]), needs_gpu=sys.argv[2] == "gpu")))
