"""What a study's runs take of the disk, and whether there is room for those still to train."""

import contextlib
import shutil
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.contract.store import RUNS, run_folder
from actstudy.study.planning import Study

SAMPLE = 8  # published runs of a task whose folders are measured
SMALL_RUN = 300_000  # bytes of a run of a task without any: those of a small MLP


def bytes_of(folder: Path) -> int:
    """Bytes of all files under a folder that this user may look at."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another user's, or removed meanwhile
            if path.is_file():
                size += path.stat().st_size
    return size


def mean_bytes(done: Sequence[Path]) -> float:
    """Mean bytes of some runs' folders, a few evenly spaced ones; of a small run if none is."""
    n = min(len(done), SAMPLE)
    places = [place * len(done) // n for place in range(n)]
    sizes = [bytes_of(done[place]) for place in places]
    return statistics.fmean(sizes) if sizes else SMALL_RUN


def bytes_needed(study: Study, root: Path = RUNS) -> float:
    """Bytes that the runs still to train take, as many each as published ones of their task.

    A run of a task without any counts as one of a small MLP: a lower bound for larger networks,
    and without the checkpoints of runs that train.
    """
    done: dict[str, list[Path]] = {task: [] for task in study.tasks}
    n_missing = Counter[str]()
    for folder in dict.fromkeys(run_folder(run.spec, root) for run in study.tuning + study.runs()):
        task = folder.parent.name
        if (folder / store.MANIFEST).is_file():
            done[task].append(folder)
        else:
            n_missing[task] += 1
    return sum(n * mean_bytes(done[task]) for task, n in n_missing.items())


def check_room(study: Study, root: Path = RUNS) -> None:
    """StudyError if the disk of the runs has less room than those still to train take."""
    needed = bytes_needed(study, root)
    place = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        got = f"got {free / 1e6:,.0f} MB of free disk"
        allowed = f"at least {needed / 1e6:,.0f} MB for the runs still to train"
        raise StudyError(f"{root.absolute()}: {got}; allowed: {allowed}; to fix: make room on it")
