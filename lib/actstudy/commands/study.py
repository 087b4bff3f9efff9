"""Commands that read a study file."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.commands import run_words
from actstudy.commands.parser import Parser
from actstudy.contract import checkout, store
from actstudy.contract.errors import StudyError
from actstudy.study.notices import notices
from actstudy.study.owner import check_owner
from actstudy.study.planning import Study, load


def add_config_flag(parser: Parser) -> None:
    """The study file."""
    parser.add_argument(
        "--config",
        default=str(checkout.DEFAULT_STUDY),
        help="the study file (default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of a try: what `run` or snakemake got as --config",
    )


def planned(arguments: argparse.Namespace, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study of --config and --set; StudyError if its results are those of another file."""
    pairs = dict(overrides or {})
    for pair in arguments.set:
        key, mark, value = pair.partition("=")
        if not mark:
            raise StudyError(f"command line: --set: got {pair!r}; allowed: KEY=VALUE")
        pairs[key] = value
    study = load(arguments.config, pairs)
    check_owner(study)
    return study


def add_status_flags(parser: Parser) -> None:
    """The study file, and how often to look again."""
    parser.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="how often to look again, until Ctrl-C or until no run is left",
    )
    add_config_flag(parser)


def status(arguments: argparse.Namespace) -> int:
    """Print what is done, running and still to do; 1 if a run failed."""
    from actstudy.analysis.status import status as describe

    if arguments.watch is not None and not arguments.watch >= 1:
        got = f"got {arguments.watch:g}; allowed: at least 1"
        raise StudyError(f"command line: --watch: {got}")
    _go_to_results(arguments)
    study = planned(arguments)
    _notify(study)
    if arguments.watch and sys.stdout.isatty():
        from actstudy.analysis import live
        from actstudy.analysis.watch import Watch

        live.show(Watch(study), arguments.watch)
    text, failed = describe(study)
    print(text, flush=True)
    while arguments.watch and "all: nothing left" not in text:
        time.sleep(arguments.watch)
        text, failed = describe(study)
        print(text, flush=True)
    return int(failed)


def _notify(study: Study) -> None:
    """Print to stderr what the study may not mean."""
    for notice in notices(study):
        print(f"actstudy: {notice}", file=sys.stderr)


def _go_to_results(arguments: argparse.Namespace) -> None:
    """Work in the study file's own project if there are results there and none here."""
    file = Path(arguments.config).absolute()
    if store.RESULTS.is_dir() or not file.is_file():
        return
    project = next((path for path in file.parents if (path / "Snakefile").is_file()), Path.cwd())
    if project != Path.cwd() and (project / store.RESULTS).is_dir():
        os.chdir(project)
        arguments.config = str(file.relative_to(project))


def cost(arguments: argparse.Namespace) -> int:
    """Print what the runs still to train take: time, disk and memory."""
    from actstudy.commands.cost import describe

    study = planned(arguments)
    _notify(study)
    for line in describe(study):
        print(line, flush=True)
    return 0


def add_retry_flags(parser: Parser) -> None:
    """The runs to clear."""
    parser.add_argument(
        "what",
        metavar="RUN|failed",
        help="a run's id or folder; `failed`: every run of the study that has failed",
    )
    add_config_flag(parser)


def retry(arguments: argparse.Namespace) -> int:
    """Clear the folders of runs, so that the next start trains them again."""
    from actstudy.analysis.retry import clear, clear_parities

    study = planned(arguments)
    for file in clear_parities(study, arguments.what):
        print(f"cleared {file}; the next start compares its cell with torch again")
    cleared = clear(study, arguments.what)
    for run in cleared:
        print(f"cleared {run}; the next start trains it again")
    if not cleared:
        print(f"nothing to clear: no run of study {study.name} has failed")
    return 0


def add_summary_flags(parser: Parser) -> None:
    """`--partial`, as the whole summary is the workflow's, and the folder to write to."""
    parser.add_argument(
        "--partial",
        action="store_true",
        required=True,
        help="head it PARTIAL and count the missing runs",
    )
    parser.add_argument(
        "--out", type=Path, help="folder to write to (default: partial/ among the study's results)"
    )
    add_config_flag(parser)


def summary(arguments: argparse.Namespace) -> int:
    """Write a summary of what exists and print its path."""
    from actstudy.analysis.partial import write_partial

    print(write_partial(planned(arguments), arguments.out))
    return 0


def add_export_flags(parser: Parser) -> None:
    """The folder to write to and the mark of decimals."""
    parser.add_argument(
        "out",
        nargs="?",
        type=Path,
        help="folder for TASK/CELL-SEED-ID.csv (default: curves/ among the study's results)",
    )
    parser.add_argument(
        "--decimal",
        choices=[".", ","],
        default=".",
        help="mark of decimals; with a comma, semicolons separate columns (default: %(default)s)",
    )
    add_config_flag(parser)


def export(arguments: argparse.Namespace) -> int:
    """Write the curves of all runs that have ended as CSV."""
    from actstudy.analysis.export import curves

    if arguments.out and arguments.out.suffix in run_words.YAML:
        hint = f"did you mean `--config {arguments.out}`?"
        raise StudyError(f"export: got {arguments.out}; {hint} allowed: a folder")
    study = planned(arguments)
    ids = {run.id for run in study.tuning + study.runs()}
    folder = arguments.out or Path(study.folder) / "curves"
    files = curves.export(study, folder, decimal=arguments.decimal)
    print(f"curves of {len(files)} of {len(ids)} runs -> {folder}")
    return 0


def add_decide_flags(parser: Parser) -> None:
    """The decision and its task."""
    parser.add_argument("task", help="a task of the study with looks or tune_lr")
    parser.add_argument(
        "what",
        metavar="lr|lookK",
        help="the learning rates, or look K at the seeds so far",
    )
    parser.add_argument(
        "--overrides",
        default="{}",
        help="what snakemake got as --config, as JSON",
    )
    add_config_flag(parser)


def decide(arguments: argparse.Namespace) -> int:
    """Write a decision that runs wait for."""
    from actstudy.analysis.decide import decide as write_decision

    try:
        overrides = dict(json.loads(arguments.overrides))
    except (ValueError, TypeError):
        raise StudyError(
            f"decide: --overrides: got {arguments.overrides!r}; allowed: a mapping as JSON"
        ) from None
    write_decision(planned(arguments, overrides), arguments.task, arguments.what)
    return 0
