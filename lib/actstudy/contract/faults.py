"""Test hooks: points where a test breaks a process with ACTSTUDY_FAULT=point:action[:count].

ACTSTUDY_FAULT=runs.parquet/rename:kill   kill the process before the draft of the file is renamed
ACTSTUDY_FAULT=step.pt/fsync:full:3       the third flush of a checkpoint finds the disk full
"""

import errno
import os
import re
import signal
from collections import Counter
from pathlib import Path

STAGES = ("draft", "fsync", "rename", "folder")  # of writing a file, in order
_passed: Counter[str] = Counter()


def reach(path: Path, stage: str) -> None:
    """Does what ACTSTUDY_FAULT asks for at the point just before a stage of writing a file.

    A point is named `step.pt/rename`, without the digits of the file's name. Actions: SIGKILL,
    SIGTERM, or OSError as from a full disk.
    """
    request = os.environ.get("ACTSTUDY_FAULT")
    if not request:
        return
    name, action, count = (*request.split(":"), "1")[:3]
    point = f"{re.sub(r'[-0-9]+', '', path.stem)}{path.suffix}/{stage}"
    _passed[point] += 1
    if point != name or _passed[point] != int(count):
        return
    if action == "full":
        raise OSError(errno.ENOSPC, "No space left on device", point)
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGTERM)
