"""Jobs of the workflow besides training: prepare, reference, boundaries."""

import argparse
import json
from pathlib import Path

from actstudy.commands.parser import Parser, add_modules_flag
from actstudy.contract import declarations, errors, locks, own, registry, spec, store
from actstudy.contract.errors import StudyError


def add_prepare_flags(parser: Parser) -> None:
    """The data set and its folder; of own data also what the study says of them."""
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--source", metavar="JSON", help="of own data: the mapping that a study has as `dataset`"
    )


def prepare(arguments: argparse.Namespace) -> int:
    """Prepare a data set into a folder."""
    from actstudy.training import attempt

    locks.rely_on_snakemake()
    dataset, sizes = spec.data_parts(arguments.name)
    if arguments.source:
        _describe(dataset, arguments.source)
    else:
        errors.check_name(dataset, "data set", registry.datasets())
    is_tokenized = registry.dataset(dataset)["kind"] in declarations.TOKENIZED
    if bool(sizes) != is_tokenized:
        raise StudyError(
            f"prepare: got {arguments.name!r}; allowed: NAME, for text NAME-vVOCABULARY-tCONTEXT"
        )
    attempt.prepared(arguments.name, arguments.folder)
    return 0


def _describe(dataset: str, text: str) -> None:
    """Read own data; StudyError unless they are what the study was planned on."""
    from actstudy.own_data import describe

    try:
        value = dict(json.loads(text))
    except (ValueError, TypeError):
        raise StudyError(
            f"prepare: --source: got {text!r:.80}; allowed: a mapping as JSON"
        ) from None
    describe.check_name(dataset, describe.describe(value), str(value.get("path")))


def add_reference_flags(parser: Parser) -> None:
    """The task, its prepared data and the file to write."""
    parser.add_argument("task")
    parser.add_argument("--own", nargs="+", default=[], help="import paths of own tasks")
    add_modules_flag(parser)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)


def reference(arguments: argparse.Namespace) -> int:
    """Write the scores of a task's reference method."""
    from actstudy.data import prepared
    from actstudy.tasks import modules

    paths = {own.short(path): path for path in arguments.own}
    try:
        name = registry.check_task(paths.get(arguments.task, arguments.task))
    except StudyError as error:
        raise StudyError(f"reference: got {arguments.task!r}: {error}") from None
    task = modules.load(name)
    scores = task.reference(prepared.load(arguments.folder))
    place = {"task": arguments.task, "data": arguments.folder.name}
    if isinstance(scores, list):  # of several kinds of runs
        store.write_json(arguments.out, [{**place, **row} for row in scores])
    else:
        store.write_json(arguments.out, {**place, **scores})
    return 0


def add_boundaries_flags(parser: Parser) -> None:
    """The table to write and the activations."""
    parser.add_argument("out", type=Path)
    parser.add_argument("activations", nargs="+", help="registered names, or import paths")
    add_modules_flag(parser)


def boundaries(arguments: argparse.Namespace) -> int:
    """Write the decision boundaries of a small network on toy problems."""
    from actstudy.experiments.boundaries import write

    names = []
    for name in arguments.activations:
        try:
            names.append(registry.function(name))
        except StudyError as error:
            raise StudyError(f"boundaries: got {name!r}: {error}") from None
    write(names, arguments.out)
    return 0
