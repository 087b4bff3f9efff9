"""`python -m actstudy train`: one run, from flags or from the spec that the workflow passes."""

import argparse
import dataclasses
import gc
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import actstudy
from actstudy.study import registry, spec, store
from actstudy.study.config import RunFields, coerced
from actstudy.study.plan import run_spec
from actstudy.study.registry import StudyError

RESUMABLE = 75  # EX_TEMPFAIL: stopped, and the same command goes on


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Flags of `train`; where --task is given, --help shows that task's defaults."""
    parser.add_argument("--spec", help="the whole spec as JSON, as the workflow passes it; no other run field then")
    parser.add_argument("--task", choices=registry.tasks(), help="what is learnt")
    parser.add_argument("--seed", type=int, default=0, help=_why("seed"))
    parser.add_argument("--config", help="a study file whose settings for the task come before the flags")
    parser.add_argument("--run_id", help="the run's name, instead of the id made from the spec")
    parser.add_argument("--log_dir", type=Path, help="folder for the run's folder (default: results/runs/TASK)")
    parser.add_argument("--data_dir", type=Path, default=Path("results/data"), help="folder of prepared data")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto takes a GPU if there is one"
    )
    parser.add_argument("--slots_per_gpu", type=_at_least_one, default=1, help="runs that may share a GPU at a time")
    parser.add_argument("--probe_every", type=_at_least_one, default=200, help="steps between health probes")
    parser.add_argument("--checkpoint_seconds", type=float, default=30.0, help="seconds between resume checkpoints")
    parser.add_argument("--quiet", action="store_true", help="write the log to log.txt only, one line at the end")
    parser.add_argument(
        "--tensorboard", action="store_true", help="mirror the curves to TensorBoard (extra: tensorboard)"
    )
    task = argv[argv.index("--task") + 1] if "--task" in argv[:-1] else None
    defaults = {**spec.DEFAULTS, **(registry.task(task)["defaults"] if task in registry.tasks() else {})}
    if task in registry.tasks():
        parser.epilog = about(task).replace("%", "%%")
    for name, info in RunFields.model_fields.items():
        default = defaults.get(name)
        shown = "" if default is dataclasses.MISSING or default is None else f" (default: {default})"
        text = f"{info.description}{shown}".replace("%", "%%")
        if name in ("strict", "deterministic_shuffle"):
            parser.add_argument(
                f"--{name}", action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text
            )
        else:
            parser.add_argument(f"--{name}", default=argparse.SUPPRESS, metavar="VALUE", help=text)


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
    folder = (arguments.log_dir or Path("results/runs") / chosen.task) / (arguments.run_id or spec.run_id(chosen))
    data = arguments.data_dir / spec.data_name(chosen)
    if arguments.tensorboard and not importlib.util.find_spec("tensorboard"):
        raise StudyError(
            "command line: --tensorboard: the package is missing; to mend: pip install -e '.[tensorboard]'"
        )
    with store.locked(folder):
        _same_spec(folder, chosen)
        if store.verifies(folder / "checkpoints" / "final"):
            if not store.verifies(folder):
                store.publish(folder)
            status = str(store.summary_row(folder)["status"])
        else:
            if not (data / "manifest.json").is_file():
                prepared(spec.data_name(chosen), data)
            status = _trained(chosen, folder, data, arguments)
    if status == "stopped":
        print(f"{folder.name}: stopped; the same command goes on from its checkpoint", file=sys.stderr)
        return RESUMABLE
    row = store.summary_row(folder)
    score = row[f"reported_{registry.task(chosen.task)['metric']}"]
    result = f"test {registry.task(chosen.task)['metric']} {score:.4f}" if score is not None else row["reason"]
    line = (
        f"{chosen.task} {folder.name}: {status}, {result}, {row['train_seconds'] or 0:.1f} s of training -> {folder}\n"
    )
    sys.stdout.write(line)  # one write, so that lines of concurrent runs do not mix
    return 0


def _whole(text: str, flags: dict[str, Any]) -> spec.RunSpec:
    """The spec that --spec holds, alone."""
    if flags:
        raise StudyError(f"command line: --{next(iter(flags))}: given beside --spec; allowed: one of the two")
    try:
        return spec.from_json(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"command line: --spec: not a spec as JSON: {error}") from None


def _same_spec(folder: Path, chosen: spec.RunSpec) -> None:
    """StudyError where a run named by hand is another run's folder: it must not republish or resume that one."""
    path = folder / "spec.json"
    try:
        same = not path.is_file() or spec.from_json(path.read_text(encoding="utf-8")) == chosen
    except (ValueError, TypeError) as error:
        raise store.Damaged(f"{path} is not a spec ({error}); to mend: rm {path}, then the same command") from None
    if not same:
        raise StudyError(f"command line: --run_id: {folder} holds another spec; allowed: a name that no run has yet")


def _trained(chosen: spec.RunSpec, folder: Path, data: Path, arguments: argparse.Namespace) -> str:
    from actstudy.training.devices import Unanswered
    from actstudy.training.job import Interrupted
    from actstudy.training.run import Settings, run

    gc.freeze()  # what is imported by now is never garbage
    gc.enable()
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stop.append(received))
    settings = Settings(
        device=arguments.device,
        slots_per_gpu=arguments.slots_per_gpu,
        probe_every=arguments.probe_every,
        checkpoint_seconds=arguments.checkpoint_seconds,
        quiet=arguments.quiet,
        tensorboard=arguments.tensorboard,
        started=actstudy.STARTED,
        stopping=lambda: bool(stop),
    )
    try:
        status = run(chosen, folder, data, settings)
    except Interrupted:
        return "stopped"
    except Unanswered as failed:
        if stop or not failed.others:
            raise
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(failed.others)  # CUDA reads it once a process: start again
        os.execv(sys.executable, sys.orig_argv)
    store.publish(folder)
    return status


def _value(name: str, text: Any) -> Any:
    return coerced(text, f"command line: {name}")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a whole number of at least 1")
    return int(text)


def prepared(name: str, folder: Path) -> None:
    """Prepare a data set (spec.data_name) into a folder unless it is there; runs that need it at once do so once."""
    from actstudy.data.prepared import prepare

    with store.locked(folder):
        if not (folder / "manifest.json").is_file():
            prepare(name, folder)
