"""`run`: a study in any folder, from a clone or an installed package; results in that folder."""

import argparse
import importlib.util
import shlex
from pathlib import Path

from actstudy.commands import run_words
from actstudy.commands.parser import Parser
from actstudy.contract import checkout, invocation
from actstudy.contract.errors import StudyError

EXAMPLES = """actstudy run                              the default study
actstudy run mine.yaml --cores 4          its results go to results/mine/
actstudy run mine.yaml -n                 what would be trained
actstudy run mine.yaml --set seeds=2      a try, in a folder of its own"""


def add_flags(parser: Parser) -> None:
    """The study file and, after it, whatever snakemake takes."""
    parser.add_argument(
        "study",
        nargs="?",
        metavar="STUDY.yaml",
        help="the study file (default: config/config.yaml, else the default study)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="a try, in a folder of its own: what snakemake calls --config",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="...",
        help="files to make, and flags of snakemake: -n, --cores N, --resources gpu=N, ...",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train what a study misses, then write its page; returns snakemake's exit status."""
    if not importlib.util.find_spec("snakemake"):
        raise StudyError(
            "run: the package snakemake is missing; to fix: pip install 'actstudy[study]'"
        )
    from actstudy.commands import driver

    again = f"{invocation.program()} {shlex.join(['run', *arguments.words])}"
    words = run_words.for_snakemake(arguments.words)
    return driver.main(words, again, place_of_workflow())


def place_of_workflow() -> list[str]:
    """The words that lead snakemake to the project's workflow, none in the project's own folder."""
    snakefile = checkout.ROOT / "Snakefile"
    if Path("Snakefile").is_file() and snakefile.samefile("Snakefile"):
        return []
    words = ["--snakefile", str(snakefile)]
    if not Path("profiles/default").is_dir():  # snakemake may take a folder `default` for it
        words += ["--workflow-profile", str(checkout.ROOT / "profiles/default")]
    return words
