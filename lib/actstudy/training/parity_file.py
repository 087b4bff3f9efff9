"""What runs ask of the parity of their cell: that it was seen, and that it holds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from actstudy.contract import frameworks, locks, own, parity, parity_stamp, spec
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec


def compare_first(run: RunSpec, data_dir: Path, gpus: Callable[[], list[str]]) -> float:
    """Compare a Keras run's cell with torch unless that was done; returns the seconds it took.

    For runs that start by hand, and for those that a study asks for late. It is done again if
    packages or code have changed since. gpus: gives those that the run may train on; StudyError if
    it cannot train there.
    """
    started = time.monotonic()
    file = parity.path(run)
    if run.framework == frameworks.TORCH or parity_stamp.is_present(file, run.framework):
        return 0.0
    if not gpus() and run.precision == "fp16":
        raise StudyError("precision: got 'fp16' on cpu; allowed there: fp32, bf16")
    with locks.locked(file.with_suffix("")):
        if not parity_stamp.is_present(file, run.framework):  # nobody else did meanwhile
            _compare(run, data_dir, file)
    return time.monotonic() - started


def _compare(run: RunSpec, data_dir: Path, file: Path) -> None:
    """Write a cell's file.

    In a process of its own, which sees no GPU: Keras has one back end and device per process.
    """
    print(f"{parity.name(run)}: compared with torch first", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "actstudy", "parity", "--spec", spec.canonical(run)]
    command += ["--data_dir", str(data_dir), "--modules", str(own.folders()[0]), str(file)]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, env=hidden, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["no reason"]
        raise StudyError(f"parity: {lines[-1]}")


class ParityFailed(Exception):
    """A Keras run's cell does not compute what torch does; the message says where they part."""


def check(run: RunSpec) -> None:
    """ParityFailed unless a Keras run's cell passed all checks; StudyError if none were made."""
    if run.framework == frameworks.TORCH:
        return
    file = parity.path(run)
    if not file.is_file():
        raise StudyError(f"{file}: no such file; to fix: start the study again")
    if reason := parity.failure(parity.read(file)):
        raise ParityFailed(f"{parity.FAILED}{reason}")
