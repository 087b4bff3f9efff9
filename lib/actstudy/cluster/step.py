"""The start of a Slurm job: `python -m actstudy.cluster.step`, with the job as JSON on stdin.

Waits for what the job reads, removes what it will write, as Snakemake does, and lets srun start
its command with the job's CPUs and GPU. Imports little: a signal is passed on from its first line.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from actstudy.cluster import requeue
from actstudy.contract import home

LOOK = 0.5  # seconds between two looks for a file
KILLED = 128 + signal.SIGKILL
ENDED = 128 + signal.SIGTERM
THREADS = (  # variables by which libraries know how many threads they may start
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
IDENTITY = (  # of a job, and where Slurm is: its other variables ask for things of a step
    "SLURM_CONF",
    "SLURM_CONF_SERVER",
    "SLURM_CLUSTERS",
    "SLURM_JWT",
    "SLURM_TMPDIR",
    "SLURM_JOB_ID",
    "SLURM_JOBID",
    "SLURM_CLUSTER_NAME",
    "SLURM_SUBMIT_DIR",
    "SLURM_SUBMIT_HOST",
)


class Stopped(Exception):
    """A signal before the job's command has started."""


def main() -> int:
    """The exit status of the job that stdin describes."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        job = json.load(sys.stdin)
        home.provide(Path(".snakemake/home"))
        if missing := absent(job["inputs"], job["patience"]):
            print(
                f"actstudy: {missing}: this node does not see it after {job['patience']} s; "
                "to fix: storage that all nodes share, or a larger latency-wait",
                file=sys.stderr,
            )
            return 1
        make_room(job["outputs"], job["folders"])
    except Stopped:
        return requeue.main()
    return started([*job["srun"], "bash", "-c", job["command"]], environment(job["threads"]))


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


def started(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """The exit status of a command, to which Slurm itself passes signals."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # not SIG_IGN, which srun would inherit
    status = subprocess.call(command, env=variables)
    status = status if status >= 0 else 128 - status
    if status == KILLED:
        print(
            f"actstudy: exit status {KILLED}: killed, as the system does when memory is short",
            file=sys.stderr,
        )
    if status == ENDED:  # of a command that saves nothing: training ends otherwise
        requeue.main()
    return status


def absent(files: Sequence[str], patience: float) -> str:
    """The first file that is not there after `patience` seconds, or empty."""
    end = time.monotonic() + patience
    for file in files:
        while not Path(file).exists():
            if time.monotonic() > end:
                return file
            time.sleep(LOOK)
    return ""


def make_room(outputs: Sequence[str], folders: Sequence[str]) -> None:
    """Remove what a job writes anew, and make the folders that it writes to."""
    for path in map(Path, outputs):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)


def environment(threads: int) -> dict[str, str]:
    """The variables of a job's command: threads for libraries, none that asks srun for more."""
    asking = ("SLURM_", "SRUN_", "SBATCH_")
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in IDENTITY or not name.startswith(asking)
    }
    return {**variables, **dict.fromkeys(THREADS, str(threads))}


if __name__ == "__main__":
    sys.exit(main())
