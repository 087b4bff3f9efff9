"""Places where a test breaks a process on purpose: ACTSTUDY_FAULT=point:action[:count], off unless it is set.

ACTSTUDY_FAULT=runs.parquet/rename:kill        die as the file's draft is about to be renamed
ACTSTUDY_FAULT=step.pt/fsync:full:3            the third time a checkpoint is flushed, the disk is full
"""

import errno
import os
import re
import signal
from collections import Counter
from pathlib import Path

STAGES = (
    "draft",
    "fsync",
    "rename",
    "folder",
)  # of writing a file: before its draft, flush, rename, folder's flush
ACTIONS = ("kill", "term", "full")
_passed: Counter[str] = Counter()


def at(point: str) -> None:
    """Do what ACTSTUDY_FAULT says of this point: die, be told to stop, or find the disk full; else nothing."""
    wanted = os.environ.get("ACTSTUDY_FAULT")
    if not wanted:
        return
    name, action, count = (*wanted.split(":"), "1")[:3]
    _passed[point] += 1
    if point != name or _passed[point] != int(count):
        return
    if action == "full":
        raise OSError(errno.ENOSPC, "No space left on device", point)
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGTERM)


def writing(path: Path, stage: str) -> str:
    """The name of a stage of writing a file: `step.pt/rename`, digits of its name left out."""
    return f"{re.sub(r'[-0-9]+', '', path.stem)}{path.suffix}/{stage}"
