"""What a command is, and the commands that the workflow calls: `--help` does not list these."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from actstudy.commands import inspection, jobs, parity, study, training
from actstudy.commands.parser import Parser


class Command(NamedTuple):
    """A command: its name, its line in `--help`, its flags and what returns its exit status.

    trains: if true, the command enables the garbage collector itself, when training begins.
    examples: lines at the end of its own `--help`. internal: the workflow's, not in the list.
    passes: its words are not parsed here; they are `words`. refused: exit status of bad input.
    """

    name: str
    help: str
    add_flags: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
    trains: bool = False
    examples: str = ""
    internal: bool = False
    passes: bool = False
    refused: int = 2


def refusal(argv: Sequence[str], commands: Iterable[Command]) -> int:
    """The exit status of bad input on a command line."""
    statuses = {command.name: command.refused for command in commands}
    return statuses.get("".join(argv[:1]), 2)


INTERNAL = (
    Command(
        "pack",
        "train runs as one, as the workflow does with engine: pack",
        training.add_pack_flags,
        training.pack,
        trains=True,
        internal=True,
    ),
    Command(
        "series",
        "train runs one after another, as the workflow does",
        training.add_pack_flags,
        training.series,
        trains=True,
        internal=True,
    ),
    Command(
        "decide",
        "write a decision that runs wait for, as the workflow does",
        study.add_decide_flags,
        study.decide,
        internal=True,
    ),
    Command(
        "inspect",
        "what someone's own code does, as planning asks on stdin",
        inspection.add_flags,
        inspection.inspect,
        internal=True,
    ),
    Command(
        "prepare",
        "prepare a data set, or NAME-vVOCABULARY-tCONTEXT, into a folder",
        jobs.add_prepare_flags,
        jobs.prepare,
        internal=True,
    ),
    Command(
        "parity",
        "compare a cell of Keras runs with torch on a CPU, as the workflow does",
        parity.add_flags,
        parity.parity,
        internal=True,
    ),
    Command(
        "reference",
        "score a task's reference method on a folder of prepared data",
        jobs.add_reference_flags,
        jobs.reference,
        internal=True,
    ),
    Command(
        "boundaries",
        "learn toy problems in the plane with each activation",
        jobs.add_boundaries_flags,
        jobs.boundaries,
        internal=True,
    ),
)
