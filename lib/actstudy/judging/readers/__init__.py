"""Readers of anyone's runs: one file per tool, each with `recognises` and `read`."""

import dataclasses
from pathlib import Path
from typing import Protocol

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
from actstudy.judging.reading import missing
from actstudy.judging.reading.options import NOT_FINITE, NOT_MADE, Options
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

__all__ = ["KINDS", "NOT_FINITE", "READERS", "Options", "Reader", "read"]


def read(source: str | Path, options: Options = NOTHING) -> Scores:
    """The scores of a file or folder of any tool, and what was assumed in reading it.

    StudyError in one line, which names the file and what is allowed, if it is not there, not known,
    damaged, if it is not clear what counts, or if a run has no value (`missing`).
    """
    path = Path(source)
    own = options
    if options.diverged in (NOT_FINITE, NOT_MADE):
        own = dataclasses.replace(options, diverged=None, missing=options.diverged)
    try:
        if not path.exists():
            raise StudyError(f"{path}: no such file or folder; allowed: runs of {', '.join(KINDS)}")
        scores = reader_of(path, own).read(path, own)
        return missing.settled(scores, own, str(path))
    except OSError as error:
        raise StudyError(errors.visible(errors.system_fault(error))) from None
    except StudyError as fault:
        raise StudyError(errors.visible(" ".join(str(fault).splitlines()))) from None


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
