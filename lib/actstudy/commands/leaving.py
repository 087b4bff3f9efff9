"""How a command ends that did not go well: exits of others' code, lost packages, closed outputs."""

import argparse
import os
import sys

from actstudy.cluster import requeue
from actstudy.contract.errors import RESUMABLE, NodeFault, StudyError

EXTRAS = {"torch": "health]', or, to train, 'actstudy[study"}  # package -> what brings it
CLOSED_PIPE = 141  # 128 + SIGPIPE: the reader of the output, such as `head`, has ended


def drop_output() -> None:
    """Drop what cannot be printed, so that the exit does not try again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def status_of(arguments: argparse.Namespace) -> int:
    """The exit status of a command; StudyError if code that it called exits as if all were done."""
    try:
        status = int(arguments.run(arguments))
        if _is_job(arguments) and status == RESUMABLE:
            _say(requeue.back_into_queue(has_saved=True))
        return status
    except NodeFault:
        if _is_job(arguments):
            _say(requeue.to_another_node())
        raise
    except SystemExit as leaving:
        if _is_job(arguments) and leaving.code == RESUMABLE:
            _say(requeue.back_into_queue(has_saved=False))
        if leaving.code in (None, 0):
            raise StudyError(
                "command line: the command did not end: code that it called left with exit "
                "status 0; allowed: no exit() in your own modules"
            ) from None
        raise


def _is_job(arguments: argparse.Namespace) -> bool:
    """Whether a command trains what the workflow has passed: a run, a pack or a series.

    Only that may go back into a queue: of a Slurm job that someone wrote it is not known what else
    would begin anew.
    """
    passed = [getattr(arguments, name, None) for name in ("spec", "members")]
    return bool(arguments.trains and any(passed))


def _say(sentence: str | None) -> None:
    """Print what became of this process's Slurm job, if it is one."""
    if sentence:
        print(sentence, file=sys.stderr, flush=True)


def missing_package(error: ModuleNotFoundError) -> str:
    """A package that is not installed, as one line; the error itself if the module is our own."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "actstudy"):
        raise error
    extra = EXTRAS.get(package, "study")
    return f"the package {package} is missing; to fix: pip install 'actstudy[{extra}]'"
