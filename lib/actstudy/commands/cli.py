"""`python -m actstudy COMMAND`: each command imports only the wing that it needs."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from actstudy.commands import doctor, jobs, published, study, training
from actstudy.commands.parser import Parser, flush_output, named_task
from actstudy.contract import checkout, errors, store
from actstudy.contract.errors import StudyError

CLOSED_PIPE = 141  # 128 + SIGPIPE: the reader of the output, such as `head`, has ended


class Command(NamedTuple):
    """A command: its name, its line in `--help`, its flags and what returns its exit status.

    trains: if true, the command enables the garbage collector itself, when training begins.
    """

    name: str
    help: str
    add_flags: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
    trains: bool = False


COMMANDS = (
    Command(
        "train",
        "train one run",
        training.add_train_flags,
        training.train,
        trains=True,
    ),
    Command(
        "pack",
        "train runs as one, as the workflow does with engine: pack",
        training.add_pack_flags,
        training.pack,
        trains=True,
    ),
    Command(
        "status",
        "what is done, running and still to do; exit status 1 if a run failed",
        study.add_config_flag,
        study.status,
    ),
    Command(
        "cost",
        "time, disk and memory that a study's missing runs take, from a few timed steps",
        study.add_config_flag,
        study.cost,
    ),
    Command(
        "retry",
        "clear finished folders, so that the next snakemake trains them again",
        study.add_retry_flags,
        study.retry,
    ),
    Command(
        "summary",
        "write the summary of what exists",
        study.add_summary_flags,
        study.summary,
    ),
    Command(
        "export",
        "write the curves of every run that has ended as CSV",
        study.add_export_flags,
        study.export,
    ),
    Command(
        "decide",
        "write a decision that runs wait for, as the workflow does",
        study.add_decide_flags,
        study.decide,
    ),
    Command(
        "doctor",
        "what the health of a run, or of your own model, means",
        doctor.add_flags,
        doctor.doctor,
    ),
    Command(
        "template",
        "print a task's settings, with their reasons, as a study file",
        study.add_template_flags,
        study.template,
    ),
    Command(
        "prepare",
        "prepare a data set, or NAME-vVOCABULARY-tCONTEXT, into a folder",
        jobs.add_prepare_flags,
        jobs.prepare,
    ),
    Command(
        "reference",
        "score a task's reference method on a folder of prepared data",
        jobs.add_reference_flags,
        jobs.reference,
    ),
    Command(
        "replicate",
        "train a published table again and print both side by side",
        published.add_flags,
        published.replicate,
    ),
    Command(
        "check",
        "recompute a published table's p, d and intervals; name rows that are impossible",
        published.add_flags,
        published.check,
    ),
    Command(
        "boundaries",
        "learn toy problems in the plane with each activation",
        jobs.add_boundaries_flags,
        jobs.boundaries,
    ),
)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit 2 with one line on bad input, 75 if the same command can resume."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        checkout.refuse_other_code(Path.cwd())
        arguments = _parsed(argv)
        if not arguments.trains:
            gc.enable()  # __main__ has disabled it for the imports
        status = _status(arguments)
        flush_output()
        sys.exit(status)
    except (StudyError, store.Damaged) as error:
        errors.refuse(error)
    except BrokenPipeError:
        _drop_output()
        sys.exit(CLOSED_PIPE)
    except OSError as error:
        _drop_output()
        errors.refuse(errors.system_fault(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _drop_output() -> None:
    """Drop what cannot be printed, so that the exit does not try again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _status(arguments: argparse.Namespace) -> int:
    """The exit status of a command; StudyError if code that it called exits as if all were done."""
    try:
        return arguments.run(arguments)
    except SystemExit as leaving:
        if leaving.code in (None, 0):
            raise StudyError(
                "command line: the command did not end: code that it called left with exit "
                "status 0; allowed: no exit() in your own modules"
            ) from None
        raise


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; StudyError with the nearest flag if one is unknown."""
    arguments, unknown = _parser(named_task(argv)).parse_known_args(argv)
    if unknown:
        flag = unknown[0]
        nearest = errors.nearest(flag.split("=")[0], arguments.flags)
        raise StudyError(
            f"command line: {flag}: unknown; python -m actstudy COMMAND --help lists all{nearest}"
        )
    return arguments


def _parser(task: str | None) -> Parser:
    """The parser of all commands; task: the one whose defaults `train --help` shows."""
    parser = Parser(prog="python -m actstudy", description=__doc__)
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        own_parser = parsers.add_parser(command.name, help=command.help, task=task)
        command.add_flags(own_parser)
        own_parser.set_defaults(run=command.run, trains=command.trains, flags=own_parser.flags())
    return parser
