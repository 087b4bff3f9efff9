"""What this process may use of its host, found without importing torch: GPUs, CPU cores, memory."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GPU_PARTS = 8  # as many runs at most share a GPU if their number is not given
CGROUPS = Path("/sys/fs/cgroup")
SLURM = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURMD_NODENAME",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
    "CUDA_VISIBLE_DEVICES",
)
OWN_CGROUPS = Path("/proc/self/cgroup")  # lines of number:controllers:path


class Load(NamedTuple):
    """What a GPU does: how many processes compute on it, and percent of the time it is busy."""

    processes: int
    busy: int


class Usage(NamedTuple):
    """What all processes use of a GPU: shares of the time and of its memory."""

    busy: float
    memory: float


def gpus() -> list[str]:
    """UUIDs of the NVIDIA GPUs that nvidia-smi lists, or of their MIG devices if there are any.

    A lost GPU is not listed. CUDA_VISIBLE_DEVICES limits them by number, in nvidia-smi's order,
    or by UUID.
    """
    listing = _nvidia_smi("-L")
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


def use_only(n: int) -> None:
    """Let this process and those that it starts use n GPUs at most: those with fewest processes."""
    names = gpus()
    if n < len(names):
        names.sort(key=lambda name: (load(name) or Load(0, 0)).processes)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names[:n])


def slurm() -> dict[str, str] | None:
    """What Slurm gave this process's job, by name of the variable; None outside of one.

    The indices of its GPUs are the node's; CUDA_VISIBLE_DEVICES is what CUDA reads.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return None
    return {name: os.environ[name] for name in SLURM if name in os.environ}


def load(gpu: str) -> Load | None:
    """What a GPU does at present; None if nvidia-smi does not say, as of a MIG device.

    gpu: a UUID from `gpus`.
    """
    form = "--format=csv,noheader,nounits"
    busy = _nvidia_smi("--query-gpu=utilization.gpu", form, f"--id={gpu}").strip()
    if not busy.isdecimal():
        return None
    processes = _nvidia_smi("--query-compute-apps=pid", form, f"--id={gpu}").splitlines()
    return Load(sum(line.strip().isdecimal() for line in processes), int(busy))


def usage(gpu: str) -> Usage | None:
    """How much of a GPU is used at present; None if nvidia-smi does not say, as of a MIG device.

    gpu: a UUID from `gpus`.
    """
    query = "--query-gpu=utilization.gpu,memory.used,memory.total"
    printed = _nvidia_smi(query, "--format=csv,noheader,nounits", f"--id={gpu}")
    values = [value.strip() for value in printed.split(",")]
    if len(values) != 3 or not all(value.isdecimal() for value in values):
        return None
    busy, used, whole = map(int, values)
    return Usage(busy / 100, used / whole)


def cores() -> int:
    """CPU cores that this process may use, at least 1.

    The fewest of: those of its affinity, the quota of its cgroup and of the ones above it (v1 and
    v2, rounded down), and those that Slurm gave the job here.
    """
    limits = [float(os.cpu_count() or 1)]
    if hasattr(os, "sched_getaffinity"):
        limits.append(len(os.sched_getaffinity(0)))
    slurm = os.environ.get("SLURM_CPUS_ON_NODE", "")
    if slurm.isdecimal():
        limits.append(int(slurm))
    limits += _quotas()
    return max(1, int(min(limits)))


def memory() -> int:
    """Bytes of memory that this process may use, free or not.

    The least of: the machine's, and the limits of its cgroup and of the ones above it (v1 and v2).
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _cgroup_folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # v2: `max` without a limit
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((folder / name).read_text()))
    return min(limit for limit in limits if limit > 0)


def _quotas() -> Iterator[float]:
    """CPU cores that this process's cgroups allow, one number per limit that is set."""
    for folder in _cgroup_folders("cpu"):
        with contextlib.suppress(OSError, ValueError):  # v2: `max 100000` without a limit
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with contextlib.suppress(OSError, ValueError):  # v1: -1 without a limit
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
            if int(quota) > 0:
                yield int(quota) / int(period)


def _cgroup_folders(controller: str) -> Iterator[Path]:
    """Folders that may hold a limit of cpu or memory of this process: its cgroups and all above.

    A container may see its own cgroup as the root, whatever path its process has.
    """
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = OWN_CGROUPS.read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = CGROUPS
        if controllers:
            root = CGROUPS / controller
        if not controllers or controller in controllers.split(","):
            place = root / path.lstrip("/")
            yield place
            yield from place.parents


def _nvidia_smi(*arguments: str) -> str:
    """What nvidia-smi prints; empty if there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _matching(uuids: list[str], name: str) -> list[str]:
    """The device, at most one, of a number or of the beginning of a UUID, as CUDA allows."""
    if not name:
        return []
    if name.isdecimal():
        return uuids[int(name) : int(name) + 1]
    return [uuid for uuid in uuids if uuid.startswith(name)][:1]
