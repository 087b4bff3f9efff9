"""`python -m actstudy train|status|retry|summary|prepare|reference`: each imports only the wing that it needs."""

import argparse
import dataclasses
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from actstudy.study import registry, spec, store
from actstudy.study.config import RunFields
from actstudy.study.plan import load, run_spec
from actstudy.study.registry import StudyError

RESUMABLE = 75  # EX_TEMPFAIL: stopped, and the same command goes on


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        flags = [flag for action in self._actions for flag in action.option_strings]
        wrong = next((word for word in message.split() if word.startswith("--")), "")
        raise StudyError(f"command line: {message}{registry.nearest(wrong.split('=')[0], flags)}")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit 2 with one line on bad input, 75 where the same command can go on."""
    try:
        arguments = _parser(argv or sys.argv[1:]).parse_args(argv)
        sys.exit(arguments.run(arguments))
    except (StudyError, store.Damaged) as error:
        print(f"actstudy: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)


def _parser(argv: Sequence[str]) -> Parser:
    parser = Parser(prog="python -m actstudy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train one run", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    train.set_defaults(run=_train)
    _train_flags(train, argv)
    status = commands.add_parser("status", help="what is done, running and still to do; exit 1 where a run failed")
    retry = commands.add_parser("retry", help="clear finished folders, so that the next snakemake trains them again")
    retry.add_argument("what", metavar="RUN_ID|failed", help="a run's id, or every run of the study that failed")
    summary = commands.add_parser("summary", help="write the summary of what exists")
    summary.add_argument(
        "--partial", action="store_true", required=True, help="head it PARTIAL and count the missing runs"
    )
    for command, run in ((status, _status), (retry, _retry), (summary, _summary)):
        command.add_argument("--config", default="config/config.yaml", help="the study file (default: %(default)s)")
        command.set_defaults(run=run)
    prepare = commands.add_parser("prepare", help="prepare a data set into a folder")
    reference = commands.add_parser("reference", help="score a task's reference method on a data set")
    reference.add_argument("task")
    for command, run in ((prepare, _prepare), (reference, _reference)):
        command.add_argument("dataset")
        command.add_argument("out", type=Path)
        command.set_defaults(run=run)
    return parser


def _train_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
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
    parser.add_argument("--probe_every", type=int, default=200, help="steps between health probes")
    parser.add_argument("--checkpoint_seconds", type=float, default=30.0, help="seconds between resume checkpoints")
    parser.add_argument("--quiet", action="store_true", help="write the log to log.txt only, one line at the end")
    parser.add_argument(
        "--tensorboard", action="store_true", help="mirror the curves to TensorBoard (extra: tensorboard)"
    )
    task = argv[argv.index("--task") + 1] if "--task" in argv[:-1] else None
    defaults = {**spec.DEFAULTS, **(registry.task(task)["defaults"] if task in registry.tasks() else {})}
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


def _why(name: str) -> str:
    return str(next(f for f in dataclasses.fields(spec.RunSpec) if f.name == name).metadata["why"])


def _train(arguments: argparse.Namespace) -> int:
    given = vars(arguments)
    flags = {name: _value(given[name]) for name in RunFields.model_fields if name in given}
    if arguments.spec:
        chosen = spec.from_json(arguments.spec)
    elif not arguments.task:
        raise StudyError(f"command line: --task: missing; allowed: {', '.join(registry.tasks())}")
    else:
        chosen = run_spec(arguments.task, arguments.seed, flags, arguments.config)
    folder = (arguments.log_dir or Path("results/runs") / chosen.task) / (arguments.run_id or spec.run_id(chosen))
    data = arguments.data_dir / chosen.dataset
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stop.append(received))
    with store.locked(folder):
        if store.verifies(folder / "checkpoints" / "final"):
            store.publish(folder)
            status = str(store.summary_row(folder)["status"])
        else:
            if not (data / "manifest.json").is_file():
                _prepared(chosen.dataset, data)
            status = _trained(chosen, folder, data, arguments, stop)
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


def _trained(chosen: spec.RunSpec, folder: Path, data: Path, arguments: argparse.Namespace, stop: list[int]) -> str:
    from actstudy.training.job import Interrupted
    from actstudy.training.run import Settings, run

    settings = Settings(
        device=arguments.device,
        probe_every=arguments.probe_every,
        checkpoint_seconds=arguments.checkpoint_seconds,
        quiet=arguments.quiet,
        tensorboard=arguments.tensorboard,
        stopping=lambda: bool(stop),
    )
    try:
        status = run(chosen, folder, data, settings)
    except Interrupted:
        return "stopped"
    store.publish(folder)
    return status


def _value(text: Any) -> Any:
    return yaml.safe_load(text) if isinstance(text, str) else text


def _prepared(dataset: str, folder: Path) -> None:
    from actstudy.data.prepared import prepare

    with store.locked(folder):
        if not (folder / "manifest.json").is_file():
            prepare(dataset, folder)


def _prepare(arguments: argparse.Namespace) -> int:
    registry.checked(arguments.dataset, "data set", registry.datasets())
    _prepared(arguments.dataset, arguments.out)
    return 0


def _reference(arguments: argparse.Namespace) -> int:
    import importlib

    from actstudy.data.prepared import load as load_data

    task = importlib.import_module(f"actstudy.tasks.{arguments.task}")
    row = {"task": arguments.task, "dataset": arguments.dataset, **task.reference(load_data(Path(arguments.dataset)))}
    store.write_json(arguments.out, row)
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


def _summary(arguments: argparse.Namespace) -> int:
    from actstudy.analysis.partial import write_partial

    print(write_partial(load(arguments.config)))
    return 0
