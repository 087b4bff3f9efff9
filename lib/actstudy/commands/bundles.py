"""`bundle`, `verify`, `unbundle`: a study packed to be checked, or to go on elsewhere."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actstudy.commands import study as of_study
from actstudy.commands.internal import Command
from actstudy.commands.parser import Parser
from actstudy.contract import invocation
from actstudy.contract.counting import counted
from actstudy.contract.errors import visible

if TYPE_CHECKING:
    from actstudy.bundles import checked

BUNDLE = """actstudy bundle                                 results/bundle.zip of the default study
actstudy bundle mine.yaml --runs                with its runs, finished or not as a whole
actstudy bundle mine.yaml --output mine.zip"""
VERIFY = """actstudy verify results/bundle.zip
actstudy verify actstudy-default                the folder that was unpacked from it"""
UNBUNDLE = "actstudy unbundle bundle.zip"
FAULTY = 1  # exit status


def add_bundle_flags(parser: Parser) -> None:
    """The study, the zip, and what goes into it."""
    parser.add_argument("study", nargs="?", metavar="STUDY.yaml", help="same as --config")
    parser.add_argument(
        "--output", type=Path, help="the zip (default: bundle.zip among the study's results)"
    )
    parser.add_argument(
        "--runs", action="store_true", help="with the tables, seal and spec of every run that ended"
    )
    parser.add_argument(
        "--checkpoints", action="store_true", help="with the best weights of each run, too"
    )
    of_study.add_config_flag(parser)


def bundle(arguments: argparse.Namespace) -> int:
    """Write a study's bundle and print its path."""
    from actstudy.bundles import making

    arguments.config = arguments.study or arguments.config
    with_runs = arguments.runs or arguments.checkpoints
    study = of_study.planned(arguments)
    packed = making.make(study, arguments.output, with_runs, arguments.checkpoints)
    for note in packed.notes:
        print(f"actstudy: {visible(note)}", file=sys.stderr)
    runs = counted(packed.n_runs, "run") if with_runs else "no runs (--runs packs them)"
    size = packed.path.stat().st_size
    print(f"{counted(packed.n_files, 'file')}, {runs}, {size / 1e6:.2f} MB -> {packed.path}")
    print(f"SHA-256 of its manifest: {packed.digest}")
    return 0


def add_verify_flags(parser: Parser) -> None:
    """The bundle."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a bundle, or the folder unpacked from it"
    )


def verify(arguments: argparse.Namespace) -> int:
    """Print what is wrong with a bundle, a line per fault; FAULTY if anything is."""
    from actstudy.bundles import checked, seals
    from actstudy.bundles.opened import opened

    with opened(arguments.file) as content:
        result = checked.check(content)
        if _print_faults(result):
            return FAULTY
        name = visible(result.manifest["study"])
        n_runs = len(seals.runs_in(content.sizes))
        n_files = counted(len(content.sizes), "file")
        print(f"study {name}: {n_files} as packed, {counted(n_runs, 'run')}")
        print(f"SHA-256 of its manifest: {result.digest}")
        for note in result.notes:
            print(f"not checked: {visible(note)}")
    return 0


def unbundle(arguments: argparse.Namespace) -> int:
    """Put a bundle's runs into this folder, if nothing is wrong with it; else FAULTY."""
    from actstudy.bundles import arrival, checked
    from actstudy.bundles.opened import opened

    with opened(arguments.file) as content:
        result = checked.check(content)
        if _print_faults(result):
            print("nothing was unpacked")
            return FAULTY
        arrived = arrival.unbundle(content, result.digest)
    n_runs = len(arrived.new) + len(arrived.there) + len(arrived.failed)
    there = f"{len(arrived.there)} were here already"
    print(f"{counted(n_runs, 'run')}: {len(arrived.new)} new, {there}")
    if arrived.failed:
        print(f"{len(arrived.failed)} of them failed and are left out, to be trained here")
    if arrived.data:
        names = ", ".join(arrived.data)
        print(f"their data are prepared when the study starts, and held to theirs: {names}")
    print(f"what is left: {invocation.program()} run {visible(result.manifest['file'])} -n")
    return 0


def _print_faults(result: "checked.Checked") -> bool:
    """Prints the faults of a bundle; whether there are any."""
    for fault in result.faults:
        print(visible(fault))
    return bool(result.faults)


COMMANDS = (
    Command(
        "bundle",
        "pack a study to be verified: page, tables, config, hashes, and its runs if asked for",
        add_bundle_flags,
        bundle,
        examples=BUNDLE,
    ),
    Command(
        "verify",
        "check a bundle: hashes, files, seals of runs, numbers of tables; exit status 1 for faults",
        add_verify_flags,
        verify,
        examples=VERIFY,
    ),
    Command(
        "unbundle",
        "put the runs of a bundle into this folder, so that the study counts them as done",
        add_verify_flags,
        unbundle,
        examples=UNBUNDLE,
    ),
)
