"""Runs that one process trains one after another."""

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from actstudy.contract import spec, store
from actstudy.contract.errors import StudyError
from actstudy.training import attempt
from actstudy.training.settings import Settings
from actstudy.training.warm import Warm


def complete_each(runs: Mapping[Path, spec.RunSpec], settings: Settings, data_dir: Path) -> int:
    """Train what is not done yet of some runs, one after another, each as if it were alone.

    Returns the exit status, as `complete` does. What is wrong with one run's folder or data is
    raised when the others are done.
    """
    faults: list[Exception] = []
    last = list(runs)[-1]
    # a signal between two runs: exit at once
    with attempt.signals_received(), Warm() as warm:
        settings = dataclasses.replace(settings, warm=warm)
        for folder, run in runs.items():
            settings = dataclasses.replace(settings, goes_on=folder != last)
            try:
                if status := attempt.complete({folder: run}, settings, data_dir):
                    return status
            except (StudyError, store.Damaged) as fault:
                faults.append(fault.with_traceback(None))  # which holds the run's memory
            settings = dataclasses.replace(settings, is_first=False, started=time.time())
    for other in faults[1:]:
        print(f"actstudy: {other}", file=sys.stderr)
    if faults:
        raise faults[0]
    return 0
