"""What Slurm's programs say: of its configuration, of a partition, of a job."""

import os
import re
import subprocess
from typing import NamedTuple

PATIENCE = 30  # seconds for an answer: a busy controller is slow


class Words(NamedTuple):
    """What a program has printed: None if it is missing, failed or was late; and why it did."""

    output: str | None
    fault: str


def call(*command: str, seconds: float = PATIENCE) -> Words:
    """What a program says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Words(None, f"no answer within {seconds:g} s")
    except OSError as error:
        return Words(None, f"{command[0]}: {error.strerror}")
    lines = done.stderr.strip().splitlines()
    return Words(done.stdout if done.returncode == 0 else None, lines[-1] if lines else "")


def ask(*command: str, seconds: float = PATIENCE) -> str | None:
    """What a program prints; None if it is missing, fails or does not answer in time."""
    return call(*command, seconds=seconds).output


def fields(text: str) -> dict[str, str]:
    """The pairs `Key=Value` or lines `Key = Value` of what scontrol prints; the first of a key."""
    pairs = re.findall(r"([\w:/-]+)(?:=| += )([^\s=]*)(?=\s|$)", text)
    values: dict[str, str] = {}
    for key, value in pairs:
        values.setdefault(key, value)
    return values


def job_id() -> str | None:
    """The number of the Slurm job of this process, of a task in an array its own; else None."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return os.environ.get("SLURM_JOB_ID")
