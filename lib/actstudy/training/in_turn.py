"""Runs that one process trains one after another."""

import dataclasses
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from actstudy.contract import spec, store
from actstudy.contract.errors import RESUMABLE, StudyError
from actstudy.training import attempt
from actstudy.training.settings import Settings
from actstudy.training.warm import Warm


def complete_each(runs: Mapping[Path, spec.RunSpec], settings: Settings, data_dir: Path) -> int:
    """Train what is not done yet of some runs, one after another, each as if it were alone.

    Returns the exit status, as `complete` does. What is wrong with one run's folder or data is
    raised when the others are done. SystemExit if a signal comes before anything is to be kept.
    """
    faults: list[Exception] = []
    todo = set(filter(_is_missing, runs))
    # a signal between two runs: exit at once
    with attempt.signals_received(), Warm() as warm:
        settings = dataclasses.replace(settings, warm=warm)
        try:
            if status := _each(runs, settings, data_dir, faults):
                return status
        except SystemExit as leaving:
            if leaving.code != RESUMABLE or all(map(_is_missing, todo)):
                raise
            return RESUMABLE  # runs have been trained: the same command goes on after them
    for other in faults[1:]:
        print(f"actstudy: {other}", file=sys.stderr)
    if faults:
        raise faults[0]
    return 0


def _is_missing(folder: Path) -> bool:
    """Whether a run has no published tables."""
    return not store.is_there(folder / store.MANIFEST)


def _each(
    runs: Mapping[Path, spec.RunSpec], settings: Settings, data_dir: Path, faults: list[Exception]
) -> int:
    """The exit status of the runs up to the first that a signal stopped; collects faults."""
    last = list(runs)[-1]
    for folder, run in runs.items():
        settings = dataclasses.replace(settings, goes_on=folder != last)
        try:
            if status := attempt.complete({folder: run}, settings, data_dir):
                return status
        except (StudyError, store.Damaged) as fault:
            faults.append(fault.with_traceback(None))  # which holds the run's memory
        settings = dataclasses.replace(settings, is_first=False, started=time.time())
    return 0
