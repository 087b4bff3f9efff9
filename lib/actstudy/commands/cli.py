"""`python -m actstudy train|template|status|retry|summary|...`: each command imports only the wing that it needs."""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from actstudy.commands import doctor, training
from actstudy.contract import errors, registry, spec, store
from actstudy.contract.errors import StudyError
from actstudy.study.planning import load
from actstudy.training import attempt


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise StudyError(f"command line: {message}")

    def flags(self) -> list[str]:
        """Every flag that this parser knows."""
        return [flag for action in self._actions for flag in action.option_strings]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit 2 with one line on bad input, 75 where the same command can go on."""
    try:
        arguments, unknown = _parser(argv or sys.argv[1:]).parse_known_args(argv)
        if unknown:
            near = errors.nearest(unknown[0].split("=")[0], arguments.flags)
            raise StudyError(
                f"command line: {unknown[0]}: unknown; python -m actstudy COMMAND --help lists all{near}"
            )
        sys.exit(arguments.run(arguments))
    except (StudyError, store.Damaged) as error:
        errors.refuse(error)
    except OSError as error:
        errors.refuse(f"{error.filename or 'system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser(argv: Sequence[str]) -> Parser:
    parser = Parser(prog="python -m actstudy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train", help="train one run", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    train.set_defaults(run=training.train)
    training.add_flags(train, argv)
    pack = commands.add_parser(
        "pack", help="train runs as one, as the workflow does with engine: pack"
    )
    pack.add_argument("--members", required=True, help="their specs as JSON")
    training.add_host_flags(pack)
    pack.set_defaults(run=training.pack, tensorboard=False)
    status = commands.add_parser(
        "status", help="what is done, running and still to do; exit 1 where a run failed"
    )
    retry = commands.add_parser(
        "retry", help="clear finished folders, so that the next snakemake trains them again"
    )
    retry.add_argument(
        "what",
        metavar="RUN|failed",
        help="a run's id or folder, or every run of the study that failed",
    )
    summary = commands.add_parser("summary", help="write the summary of what exists")
    summary.add_argument(
        "--partial",
        action="store_true",
        required=True,
        help="head it PARTIAL and count the missing runs",
    )
    export = commands.add_parser(
        "export", help="write the curves of every run that has ended as CSV"
    )
    export.add_argument("out", type=Path, help="folder for TASK/RUN.csv")
    decide = commands.add_parser(
        "decide", help="write a decision that runs wait for, as the workflow does"
    )
    decide.add_argument("task", help="a task of the study with looks or tune_lr")
    decide.add_argument(
        "what", metavar="lr|lookK", help="the learning rates, or look K at the seeds so far"
    )
    decide.add_argument("--overrides", default="{}", help="what snakemake got as --config, as JSON")
    readers = (
        (status, _status),
        (retry, _retry),
        (summary, _summary),
        (export, _export),
        (decide, _decide),
    )
    for command, run in readers:
        command.add_argument(
            "--config", default="config/config.yaml", help="the study file (default: %(default)s)"
        )
        command.set_defaults(run=run)
    doctor.add_flags(
        commands.add_parser("doctor", help="what a run's health, or your own model's, means")
    )
    template = commands.add_parser(
        "template", help="print a task's settings, with their reasons, as a study file"
    )
    template.add_argument("--task", required=True, choices=registry.tasks())
    template.set_defaults(run=_template)
    prepare = commands.add_parser(
        "prepare", help="prepare a data set, or NAME-vVOCABULARY-tCONTEXT, into a folder"
    )
    prepare.add_argument("name")
    prepare.add_argument("folder", type=Path)
    prepare.set_defaults(run=_prepare)
    reference = commands.add_parser(
        "reference", help="score a task's reference method on a folder of prepared data"
    )
    reference.add_argument("task", choices=registry.tasks())
    reference.add_argument("folder", type=Path)
    reference.add_argument("out", type=Path)
    reference.set_defaults(run=_reference)
    replicate = commands.add_parser(
        "replicate", help="train a published table again and lay the two side by side"
    )
    check = commands.add_parser(
        "check", help="recompute a published table's p, d and intervals; name rows that cannot be"
    )
    for command, answer in ((replicate, _replicate), (check, _check)):
        command.add_argument("file", type=Path, help="a file of config/replicate")
        command.set_defaults(run=answer)
    boundaries = commands.add_parser(
        "boundaries", help="learn toy problems in the plane with each activation"
    )
    boundaries.add_argument("out", type=Path)
    boundaries.add_argument("activations", nargs="+", choices=registry.activations())
    boundaries.set_defaults(run=_boundaries)
    for command in commands.choices.values():
        command.set_defaults(flags=command.flags())
    return parser


def _template(arguments: argparse.Namespace) -> int:
    from actstudy.study.template import template

    print(template(arguments.task), end="")
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    dataset, sizes = spec.data_parts(arguments.name)
    errors.check_name(dataset, "data set", registry.datasets())
    if bool(sizes) != (registry.dataset(dataset)["kind"] in registry.TOKENIZED):
        raise StudyError(
            f"prepare: got {arguments.name!r}; allowed: NAME, for text NAME-vVOCABULARY-tCONTEXT"
        )
    attempt.prepared(arguments.name, arguments.folder)
    return 0


def _reference(arguments: argparse.Namespace) -> int:
    from actstudy.data.prepared import load as load_data

    task = importlib.import_module(f"actstudy.tasks.{arguments.task}")
    row = {
        "task": arguments.task,
        "data": arguments.folder.name,
        **task.reference(load_data(arguments.folder)),
    }
    store.write_json(arguments.out, row)
    return 0


def _replicate(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.page.replication_tables import replica_section
    from actstudy.experiments import mnist1d_notebook
    from actstudy.study.replication import read_replica

    found, losses = (
        read_replica(arguments.file),
        Path("results/replicate") / f"{arguments.file.stem}.parquet",
    )
    mnist1d_notebook.write(list(found.claims.values), range(found.seeds), losses)
    print(replica_section(losses, mnist1d_notebook.TASK, found.claims))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.page.replication_tables import published_section

    print(published_section(arguments.file))
    return 0


def _boundaries(arguments: argparse.Namespace) -> int:
    from actstudy.experiments.boundaries import write

    write(arguments.activations, arguments.out)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.status import status

    text, failed = status(load(arguments.config))
    print(text)
    return int(failed)


def _retry(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.status import clear

    for run in clear(load(arguments.config), arguments.what):
        print(f"cleared {run}; the next snakemake trains it again")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.export.curves import export

    study = load(arguments.config)
    asked = {run.id for run in study.tuning + study.runs()}
    print(f"curves of {len(export(study, arguments.out))} of {len(asked)} runs -> {arguments.out}")
    return 0


def _summary(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.partial import write_partial

    print(write_partial(load(arguments.config)))
    return 0


def _decide(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.decide import decide

    try:
        overrides = dict(json.loads(arguments.overrides))
    except (ValueError, TypeError):
        raise StudyError(
            f"decide: --overrides: got {arguments.overrides!r}; allowed: a mapping as JSON"
        ) from None
    decide(load(arguments.config, overrides), arguments.task, arguments.what)
    return 0
