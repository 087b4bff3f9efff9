"""What Snakemake is asked for, as its own parser reads it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from snakemake import cli

PROFILE = Path("profiles/default")
PRINTING = ("dryrun", "unlock", "dag", "rulegraph", "filegraph", "d3dag", "summary", "lint")


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """What Snakemake reads in the arguments and in the profile of this folder."""
    profiles = [str(PROFILE)] if PROFILE.is_dir() else []
    return cli.get_argument_parser(profiles).parse_args(list(arguments))


def trains(options: argparse.Namespace) -> bool:
    """Whether Snakemake runs jobs; a dry run, for one, prints something instead."""
    return not any(getattr(options, name) for name in PRINTING)
