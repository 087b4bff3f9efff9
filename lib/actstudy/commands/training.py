"""`python -m actstudy train`: one run, from flags or from the spec that the workflow passes."""

import argparse
import dataclasses
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actstudy.contract import errors, registry, spec
from actstudy.contract.errors import StudyError
from actstudy.study import checks, packs
from actstudy.study.config import RunFields
from actstudy.study.planning import run_spec
from actstudy.study.reading import coerce
from actstudy.training.attempt import complete
from actstudy.training.settings import Settings


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Flags of `train`; where --task is given, --help shows that task's defaults."""
    parser.add_argument(
        "--spec", help="the whole spec as JSON, as the workflow passes it; no other run field then"
    )
    parser.add_argument("--task", choices=registry.tasks(), help="what is learnt")
    parser.add_argument("--seed", type=int, default=0, help=_why("seed"))
    parser.add_argument(
        "--config", help="a study file whose settings for the task come before the flags"
    )
    parser.add_argument("--run_id", help="the run's name, instead of the id made from the spec")
    add_host_flags(parser)
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="mirror the curves to TensorBoard (extra: tensorboard)",
    )
    task = argv[argv.index("--task") + 1] if "--task" in argv[:-1] else None
    defaults = {
        **spec.DEFAULTS,
        **(registry.task(task)["defaults"] if task in registry.tasks() else {}),
    }
    if task in registry.tasks():
        parser.epilog = about(task).replace("%", "%%")
    for name, info in RunFields.model_fields.items():
        default = defaults.get(name)
        shown = (
            "" if default is dataclasses.MISSING or default is None else f" (default: {default})"
        )
        text = f"{info.description}{shown}".replace("%", "%%")
        if name in ("strict", "deterministic_shuffle"):
            parser.add_argument(
                f"--{name}",
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=text,
            )
        else:
            parser.add_argument(f"--{name}", default=argparse.SUPPRESS, metavar="VALUE", help=text)


def add_host_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that change no result: where, on what, how often saved."""
    parser.add_argument(
        "--log_dir", type=Path, help="folder for the run's folder (default: results/runs/TASK)"
    )
    parser.add_argument(
        "--data_dir", type=Path, default=Path("results/data"), help="folder of prepared data"
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes a GPU if there is one",
    )
    parser.add_argument(
        "--slots_per_gpu", type=_at_least_one, default=1, help="runs that may share a GPU at a time"
    )
    parser.add_argument(
        "--probe_every", type=_at_least_one, default=200, help="steps between health probes"
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
        "--quiet", action="store_true", help="write the log to log.txt only, one line at the end"
    )


def about(task: str) -> str:
    """A task's metric, targets and margin in two sentences."""
    own = registry.task(task)
    better = "higher" if own["higher_is_better"] else "lower"
    targets = ", ".join(f"{target:g}" for target in own["targets"])
    return (
        f"{task}: {own['title']}. Compared is the test {own['metric']} ({own['unit']}), {better} is better; a "
        f"difference matters from {own['margin']:g} on: {own['margin_reason']}. Steps and seconds are "
        f"tabled to {targets} on val."
    )


def _why(name: str) -> str:
    return str(next(f for f in dataclasses.fields(spec.RunSpec) if f.name == name).metadata["why"])


def train(arguments: argparse.Namespace) -> int:
    """The exit status of one run: 0 for every ending that is a result, 75 where the same command goes on."""
    given = vars(arguments)
    flags = {name: _value(name, given[name]) for name in RunFields.model_fields if name in given}
    if arguments.spec:
        chosen = _whole(arguments.spec, flags)
    elif not arguments.task:
        raise StudyError(f"command line: --task: missing; allowed: {', '.join(registry.tasks())}")
    else:
        chosen = run_spec(arguments.task, arguments.seed, flags, arguments.config)
    name = spec.run_id(chosen)
    if arguments.run_id is not None:
        name = errors.check_folder_name(arguments.run_id, "command line: --run_id")
    folder = (arguments.log_dir or Path("results/runs") / chosen.task) / name
    if arguments.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise StudyError(
            "command line: --tensorboard: the package is missing; to fix: pip install -e '.[tensorboard]'"
        )
    return complete({folder: chosen}, _settings(arguments), arguments.data_dir)


def pack(arguments: argparse.Namespace) -> int:
    """The same of the runs of a pack, trained as one."""
    try:
        members = packs.read(arguments.members)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StudyError(f"command line: --members: not a pack's specs as JSON: {error}") from None
    for one in members:
        _known(one, "--members")
    root = arguments.log_dir or Path("results/runs") / members[0].task
    runs = {root / spec.run_id(one): one for one in members}
    return complete(runs, _settings(arguments), arguments.data_dir)


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
    )


def _whole(text: str, flags: dict[str, Any]) -> spec.RunSpec:
    """The spec that --spec holds, alone."""
    if flags:
        raise StudyError(
            f"command line: --{next(iter(flags))}: given beside --spec; allowed: one of the two"
        )
    try:
        chosen = spec.from_json(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"command line: --spec: not a spec as JSON: {error}") from None
    _known(chosen, "--spec")
    return chosen


def _known(chosen: spec.RunSpec, flag: str) -> None:
    """StudyError where a spec names what there is not: its run's folder is called by these names."""
    used = (
        [chosen.activation]
        if isinstance(chosen.activation, str)
        else [name for _, name in chosen.activation]
    )
    names = [
        ("task", chosen.task, registry.tasks()),
        ("data set", chosen.dataset, registry.datasets()),
    ]
    for kind, got, known in [
        *names,
        *(("activation", name, registry.activations()) for name in used),
    ]:
        try:
            errors.check_name(got, kind, known)
        except StudyError as error:
            raise StudyError(f"command line: {flag}: got {got!r}: {error}") from None
    checks.check_paths(chosen, f"command line: {flag}")


def _value(name: str, text: Any) -> Any:
    return coerce(text, f"command line: {name}")


def _minutes(text: str) -> float:
    value = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a number of minutes above 0")
    return value


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a whole number of at least 1")
    return int(text)
