"""`choose`: which activations measured runs cannot separate from the best, or that there are none.

Nothing is printed that no run stands for: without a measured cell the answer is `no data` with the
study that would give it, and the exit status 1.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from actstudy.commands import run_flags
from actstudy.commands.numbers import number_of
from actstudy.commands.parser import Parser
from actstudy.contract import checkout, errors, invocation, registry
from actstudy.contract.errors import StudyError
from actstudy.study.config import RunFields, set_fields
from actstudy.study.reading import coerce
from actstudy.study.validation import validate

if TYPE_CHECKING:
    from pathlib import Path

    from actstudy.analysis.evidence import Cell

EXAMPLES = """actstudy choose --family mlp --depth 20
actstudy choose --family gpt --precision bf16 --device cuda --matters memory
actstudy choose --task mlp --config mine.yaml --json"""
FAMILIES = {
    "mlp": ("mlp", "tabular", "tabular_regression"),
    "cnn": ("vision",),
    "encoder": ("cls",),
    "gpt": ("lm",),
}
MATTERS = ("accuracy", "speed", "memory")
NO_DATA = 1  # exit status


def add_flags(parser: Parser) -> None:
    """What is asked: a flag per run field, and which evidence may answer."""
    parser.add_argument("--family", choices=FAMILIES, help="kind of model (default: any)")
    parser.add_argument("--task", choices=registry.tasks(), help="task (default: any)")
    parser.add_argument(
        "--device", help="cpu, cuda, or a part of a device's name, such as H100 (default: any)"
    )
    parser.add_argument(
        "--matters",
        choices=MATTERS,
        default="speed",
        help="orders the set, which accuracy alone decides: best mean, shortest training or least"
        " memory first",
    )
    parser.add_argument(
        "--budget",
        type=_seconds,
        metavar="SECONDS",
        help="of training per run: slower activations are left out before the rest is compared",
    )
    parser.add_argument(
        "--config",
        nargs="+",
        metavar="STUDY",
        help="studies to answer from, else what documents have of them (default: all in results/,"
        " and those that documents quote); the answer names the folder of tables that was read",
    )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument(
        "--activation",
        "--activations",
        type=_no_activation,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )
    names = [name for name in RunFields.model_fields if not name.startswith("activation")]
    run_flags.add_fields(parser, names, {})


def choose(arguments: argparse.Namespace) -> int:
    """Print the set of each measured cell that fits; NO_DATA if there is none."""
    from actstudy.analysis import choosing, evidence, stored
    from actstudy.analysis.page import choice_overview, choice_tables

    question = choosing.Question(**question_of(arguments))
    places = stored.folders()
    if arguments.config:
        places = [stored.folder_of(file) for file in arguments.config]
    cells, faults = evidence.cells(places)
    check_device(arguments.device, cells)
    answers = choosing.answers_of(cells, question)
    content: dict[str, Any] = {"not_read": list(faults.values())}
    if answers:
        report_faults(faults)
    else:
        content |= choosing.no_data(cells, question)
    if arguments.json:
        data = [choice_tables.as_data(cell, rows) for cell, rows in answers]
        print(json.dumps({"answers": data, **content}, indent=1))
    elif answers:
        print(choice_overview.page(answers, question.matters), end="")
        print(choice_tables.default_init(answers, question.fields), end="")
    else:
        report_no_data(content, faults)
    return 0 if answers else NO_DATA


def question_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The question of the flags as `choosing.Question` takes it; StudyError if a value is wrong."""
    fields = {}
    for name in RunFields.model_fields:
        if name in arguments:
            fields[name] = coerce(getattr(arguments, name), f"command line: {name}")
    checked = set_fields(validate(RunFields, fields, "command line"))
    of_family = FAMILIES.get(arguments.family, ())
    task = arguments.task
    if task and of_family and task not in of_family:
        hint = errors.choices(task, of_family)
        raise StudyError(f"command line: --task: got {task!r}, of another family; {hint}")
    return {
        "fields": checked,
        "tasks": [task] if task else of_family,
        "device": arguments.device,
        "matters": arguments.matters,
        "budget": arguments.budget,
    }


def report_faults(faults: "Mapping[Path, str]") -> None:
    """Print to stderr which of the user's own tables an answer does without, and why."""
    from actstudy.analysis import stored

    quoted = stored.kept_folders()
    for place, line in faults.items():
        if place not in quoted:
            print(f"not read: {errors.visible(line)}", file=sys.stderr)


def report_no_data(content: Mapping[str, Any], faults: "Mapping[Path, str]") -> None:
    """Print the study that would give data, after comments: what is nearest, what is not read."""
    from actstudy.analysis import stored

    quoted = [place for place in stored.kept_folders() if place in faults]
    print(f"# {content['no_data']}")
    for line in content["nearest"]:
        print(f"# nearest, no answer: {line}")
    for line in [faults[place] for place in faults if place not in quoted]:
        print(f"# not read: {errors.visible(line)}")
    if quoted:
        names = ", ".join(str(checkout.study_path(place)) for place in quoted)
        print(f"# not read, tables for documents that do not say what each run was: {names}")
    if content["fault"]:
        print(f"# no study can answer it: {content['fault']}")
        return
    how = f"saved as choose_this.yaml it runs: {invocation.program()} run choose_this.yaml"
    print(f"# the study that answers it; {how}\n")
    print(content["study"], end="")


def check_device(device: str | None, cells: "Iterable[Cell]") -> None:
    """StudyError if a device is no word for one, and no part of a measured device's name."""
    names = sorted(set(itertools.chain.from_iterable(cell.devices for cell in cells)))
    if device is None or device in ("cpu", "cuda"):
        return
    if not device or not any(device.lower() in name.lower() for name in names):
        hint = errors.choices(device, ["cpu", "cuda", *names])
        raise StudyError(f"command line: --device: got {device!r}; {hint}, or a part of a name")


def _no_activation(text: str) -> NoReturn:
    """Refuses an activation: all are compared."""
    raise argparse.ArgumentTypeError(
        f"got {text!r}; choose compares all activations of a cell; to see others, run a study that "
        f"has them in axes: {{activation: [...]}}, and name it with --config"
    )


def _seconds(text: str) -> float:
    """A number of seconds above 0, from a flag's text."""
    value = number_of(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a number of seconds above 0")
    return value
