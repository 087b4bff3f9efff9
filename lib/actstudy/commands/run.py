"""`run`: a study in any folder, from a clone or an installed package; results in that folder."""

import argparse
import importlib.util
import shlex
from pathlib import Path

from actstudy.commands.parser import Parser
from actstudy.contract import checkout
from actstudy.contract.errors import StudyError

EXAMPLES = """actstudy run                              the default study
actstudy run mine.yaml --cores 4          its results go to results/mine/
actstudy run mine.yaml -n                 what would be trained
actstudy run mine.yaml --config seeds=2   a try, in a folder of its own"""
YAML = (".yaml", ".yml")


def add_flags(parser: Parser) -> None:
    """The study file and, after it, whatever snakemake takes."""
    parser.add_argument(
        "study",
        nargs="?",
        metavar="STUDY.yaml",
        help="the study file (default: config/config.yaml, else the default study)",
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

    again = shlex.join(["actstudy", "run", *arguments.words])
    return driver.main(words_of(arguments.words), again, place_of_workflow())


def words_of(words: list[str]) -> list[str]:
    """The words for snakemake of those for `run`: a study file in front becomes `--configfile`."""
    if not words or Path(words[0]).suffix not in YAML:
        return words
    file, *others = words
    for word in others:
        if word.startswith("--configfile"):
            raise StudyError(
                f"command line: run: got {file} and {word}; allowed: one study file, which "
                "follows `run`"
            )
    return [f"--configfile={checkout.source_of(Path(file))}", *others]


def place_of_workflow() -> list[str]:
    """The words that lead snakemake to the project's workflow, none in the project's own folder."""
    snakefile = checkout.ROOT / "Snakefile"
    if Path("Snakefile").is_file() and snakefile.samefile("Snakefile"):
        return []
    words = ["--snakefile", str(snakefile)]
    if not Path("profiles/default").is_dir():  # snakemake may take a folder `default` for it
        words += ["--workflow-profile", str(checkout.ROOT / "profiles/default")]
    return words
