"""Readers of anyone's runs: one file per tool, each with `recognises` and `read`."""

import dataclasses
from pathlib import Path
from typing import Protocol

import numpy as np

from actstudy.contract import errors
from actstudy.contract.errors import StudyError
from actstudy.judging.readers import (
    benchopt,
    delimited,
    mlflow,
    own,
    tables,
    tensorboard,
    trackio,
    wandb,
    wandb_export,
)
from actstudy.judging.readers.options import NOT_FINITE, Options
from actstudy.judging.scores import Scores


class Reader(Protocol):
    """A module that reads the files of one tool."""

    KIND: str

    def recognises(self, path: Path) -> bool:
        """Whether it reads a path."""

    def read(self, path: Path, options: Options) -> Scores:
        """The scores of a path; StudyError in one line if it cannot be read."""


READERS: tuple[Reader, ...] = (
    own,
    mlflow,
    wandb,
    tensorboard,
    trackio,
    benchopt,
    wandb_export,
    delimited,
    tables,
)  # the first that recognises a path reads it
KINDS = tuple(reader.KIND for reader in READERS)
NOTHING = Options()

__all__ = ["KINDS", "READERS", "Options", "Reader", "read"]


def read(source: str | Path, options: Options = NOTHING) -> Scores:
    """The scores of a file or folder of any tool, and what was assumed in reading it.

    StudyError in one line, which names the file and what is allowed, if it is not there, not known,
    damaged, if it is not clear what counts, or if a value is no finite number.
    """
    path = Path(source)
    own = options
    if options.diverged == NOT_FINITE:
        own = dataclasses.replace(options, diverged=None)
    try:
        if not path.exists():
            raise StudyError(f"{path}: no such file or folder; allowed: runs of {', '.join(KINDS)}")
        scores = reader_of(path, own).read(path, own)
        return with_diverged(scores, options, path)
    except OSError as error:
        raise StudyError(errors.visible(errors.system_fault(error))) from None
    except StudyError as fault:
        raise StudyError(errors.visible(" ".join(str(fault).splitlines()))) from None


def with_diverged(scores: Scores, options: Options, path: Path) -> Scores:
    """The scores with runs marked as diverged whose value is not finite, if options say so.

    Else StudyError if there is such a run that no column marks.
    """
    if scores.summaries is not None:
        return scores
    frame = scores.frame
    is_marked = np.full(len(frame), False)
    if "diverged" in frame:
        is_marked = frame["diverged"].to_numpy(dtype=bool)
    values = frame["value"].to_numpy(dtype=float)
    unmarked = ~np.isfinite(values) & ~is_marked
    if not unmarked.any():
        return scores
    first = frame.index[unmarked][0]
    if options.diverged != NOT_FINITE:
        raise StudyError(
            f"{path}: row {first}: value: got {values[unmarked][0]}, in {unmarked.sum()} rows; "
            "allowed: finite numbers; to fix: a column `diverged` that marks runs which have none, "
            f"or --diverged {NOT_FINITE} if these runs diverged"
        )
    marked = frame.assign(diverged=is_marked | unmarked, value=np.where(unmarked, np.nan, values))
    sentence = f"Runs without a finite value count as diverged: {unmarked.sum()} (one: {first})."
    return dataclasses.replace(scores, frame=marked, assumptions=(*scores.assumptions, sentence))


def reader_of(path: Path, options: Options) -> Reader:
    """The reader that is named, or the first that recognises a path; StudyError if there is none.

    A reader that is named must recognise the path, too.
    """
    known = (reader for reader in READERS if reader.recognises(path))
    first = next(known, None)
    if first is None:
        what = "a folder" if path.is_dir() else "a file"
        raise StudyError(
            f"{path}: got {what} that no reader knows; allowed: CSV, TSV, Parquet, JSON lines, or "
            f"files or folders of {', '.join(KINDS)}"
        )
    if options.kind in (None, first.KIND):
        return first
    fitting = [first, *known]
    kinds = [reader.KIND for reader in fitting]
    if options.kind not in kinds:
        got = f"got {options.kind!r:.60}"
        raise StudyError(f"{path}: kind: {got}; {errors.choices(options.kind, kinds)}")
    return fitting[kinds.index(options.kind)]
