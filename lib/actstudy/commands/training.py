"""The commands train and pack: runs from flags, or from the specs that the workflow passes."""

import argparse
import dataclasses
import functools
import importlib.util
import json
import sys
from pathlib import Path

from actstudy.commands import run_flags, spec_names
from actstudy.commands.parser import OrPaths, Parser, add_modules_flag
from actstudy.contract import errors, frameworks, locks, own_data, registry, schema, spec, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec
from actstudy.study import packs
from actstudy.study.config import RunFields
from actstudy.study.planning import run_spec
from actstudy.study.reading import coerce
from actstudy.training import in_turn
from actstudy.training.attempt import complete, prepared
from actstudy.training.settings import Settings

EXAMPLES = """actstudy train --task mlp --activation mish --seed 0 --lr 0.002
actstudy train --task vision --activation gelu --steps 50    a first try
actstudy train --task lm --help                              with that task's defaults"""


def add_train_flags(parser: Parser) -> None:
    """Flags of `train`; if the command line names a task, `--help` shows that task's defaults."""
    parser.add_argument(
        "--spec",
        help="the whole spec as JSON, as the workflow passes it; excludes all other run fields",
    )
    what = "what is learnt; also `package.module:TASK` of your own"
    parser.add_argument("--task", choices=OrPaths(registry.tasks()), help=what)
    parser.add_argument("--seed", type=int, default=0, help=_reason("seed"))
    parser.add_argument(
        "--config",
        help="a study file whose settings for the task come before the flags",
    )
    parser.add_argument("--run_id", help="the run's name, instead of the id made from the spec")
    _add_host_flags(parser)
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="mirror the curves to TensorBoard (extra: tensorboard)",
    )
    run_flags.add(parser)


def add_pack_flags(parser: Parser) -> None:
    """Flags of `pack` and `series`."""
    parser.add_argument("--members", required=True, help="the specs of its runs as JSON")
    _add_host_flags(parser)
    parser.set_defaults(tensorboard=False)


def _add_host_flags(parser: Parser) -> None:
    """Flags that change no result: folders, device, cadence of probes and checkpoints."""
    parser.add_argument(
        "--log_dir", type=Path, help="folder for the run's folder (default: results/runs/TASK)"
    )
    add_modules_flag(parser)
    data = store.DATA
    parser.add_argument("--data_dir", type=Path, default=data, help="folder of prepared data")
    devices = ("auto", "cpu", "cuda")
    parser.add_argument(
        "--device", choices=devices, default="auto", help="auto takes a GPU if there is one"
    )
    parser.add_argument(
        "--slots_per_gpu",
        type=_whole_number_or_auto,
        default=1,
        help="runs that may share a GPU at a time; auto: up to 8 if one leaves it idle",
    )
    parser.add_argument(
        "--probe_every", type=_whole_number, default=200, help="steps between health probes"
    )
    parser.add_argument(
        "--timeout_minutes",
        type=_minutes,
        help="minutes after which it ends as timeout (default: none)",
    )
    parser.add_argument(
        "--checkpoint_seconds", type=float, default=30.0, help="seconds between resume checkpoints"
    )
    parser.add_argument(
        "--sealed", action="store_true", help="write each published run as one file, too"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="write the log to log.txt only, one line at the end"
    )


def _reason(name: str) -> str:
    """The reason of a run field, for its help."""
    (field,) = [field for field in dataclasses.fields(RunSpec) if field.name == name]
    return str(field.metadata["why"])


def train(arguments: argparse.Namespace) -> int:
    """The exit status of one run: 75 if it can be resumed; 1 if it failed and was started by hand.

    By hand a run that has failed is trained again. The workflow, which passes --spec, gets 0 for
    every ending that is published: a failed run must not stop its study.
    """
    run = _run(arguments)
    frameworks.check_installed(run.framework, "command line")
    _report_short_warmup(run, arguments)
    name = spec.run_id(run)
    if arguments.run_id is not None:
        name = errors.check_folder_name(arguments.run_id, "command line: --run_id")
    if arguments.tensorboard:
        _check_tensorboard()
    if arguments.spec:
        locks.rely_on_snakemake()
    root = arguments.log_dir or Path("results/runs") / run.task_name
    folder = root / name
    if not arguments.spec and _has_failed(folder):
        from actstudy.analysis import retry

        print(f"{name}: failed before; it is trained again", file=sys.stderr, flush=True)
        retry.delete_results(folder)
    status = complete({folder: run}, _settings(arguments), arguments.data_dir)
    return status or int(not arguments.spec and _has_failed(folder))


def _report_short_warmup(run: RunSpec, arguments: argparse.Namespace) -> None:
    """Print a line if the task's own warm-up was shortened."""
    own = registry.task(run.task)["defaults"].get("warmup", 0)
    is_own = not (arguments.spec or arguments.config or "warmup" in arguments)
    if is_own and run.warmup < own:
        line = (
            f"warmup: {run.warmup:.2g} epochs, as the task's own, {own:g}, is longer than the run"
        )
        print(line, file=sys.stderr, flush=True)


def _has_failed(folder: Path) -> bool:
    """Whether a run has been published with an ending that is no result."""
    return store.verifies(folder) and store.summary_row(folder)["status"] in schema.FAILED


def _steps_per_epoch(run: RunSpec, data_dir: Path) -> int:
    """Optimizer steps of a pass over a run's train split, which is prepared if it is not yet."""
    folder = data_dir / spec.data_name(run)
    prepared(folder.name, folder)
    counts = json.loads((folder / store.MANIFEST).read_text(encoding="utf-8"))["counts"]
    return max(1, int(counts["train"]) // run.batch_size)


def pack(arguments: argparse.Namespace) -> int:
    """The exit status of runs trained as a pack: 0, or 75 if they can be resumed."""
    return complete(_members(arguments), _settings(arguments), arguments.data_dir)


def series(arguments: argparse.Namespace) -> int:
    """The exit status of runs trained one after another: 0, or 75 if they can be resumed."""
    return in_turn.complete_each(_members(arguments), _settings(arguments), arguments.data_dir)


def _members(arguments: argparse.Namespace) -> dict[Path, RunSpec]:
    """The runs of a job of several, by folder; a job of the workflow's."""
    locks.rely_on_snakemake()
    own_data.look_in(arguments.data_dir)
    try:
        members = packs.read(arguments.members)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StudyError(f"command line: --members: not specs as JSON: {error}") from None
    for run in members:
        spec_names.check(run, "--members")
    root = arguments.log_dir or Path("results/runs") / members[0].task_name
    return {root / spec.run_id(run): run for run in members}


def _settings(arguments: argparse.Namespace) -> Settings:
    """The settings that the host's flags give."""
    return Settings(
        device=arguments.device,
        slots_per_gpu=arguments.slots_per_gpu,
        probe_every=arguments.probe_every,
        checkpoint_seconds=arguments.checkpoint_seconds,
        timeout_minutes=arguments.timeout_minutes,
        quiet=arguments.quiet,
        tensorboard=arguments.tensorboard,
        sealed=arguments.sealed,
    )


def _run(arguments: argparse.Namespace) -> RunSpec:
    """The run that the flags describe, or that --spec holds."""
    own_data.look_in(arguments.data_dir)
    fields = {}
    for name in RunFields.model_fields:
        if name in arguments:
            fields[name] = coerce(getattr(arguments, name), f"command line: {name}")
    if not arguments.spec:
        if not arguments.task:
            tasks = ", ".join(registry.tasks())
            raise StudyError(f"command line: --task: missing; allowed: {tasks}")
        epoch = functools.partial(_steps_per_epoch, data_dir=arguments.data_dir)
        return run_spec(arguments.task, arguments.seed, fields, arguments.config, epoch)
    if fields:
        name = next(iter(fields))
        raise StudyError(f"command line: --{name}: given with --spec; allowed: one of the two")
    try:
        run = spec.from_json(arguments.spec)
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"command line: --spec: not a spec as JSON: {error}") from None
    spec_names.check(run, "--spec")
    return run


def _check_tensorboard() -> None:
    """StudyError if the package that mirrors curves is missing."""
    if not importlib.util.find_spec("tensorboard"):
        raise StudyError(
            "command line: --tensorboard: the package is missing; "
            "to fix: pip install -e '.[tensorboard]'"
        )


def _minutes(text: str) -> float:
    """A number of minutes above 0, from a flag's text."""
    value = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a number of minutes above 0")
    return value


def _whole_number_or_auto(text: str) -> int | str:
    """A whole number of at least 1, or `auto`, from a flag's text."""
    if text == "auto":
        return text
    try:
        return _whole_number(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or auto") from None


def _whole_number(text: str) -> int:
    """A whole number of at least 1, from a flag's text."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a whole number of at least 1")
    return int(text)
