"""`doctor`: what health means, of a run that has ended or of anyone's model on one batch."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from actstudy.advice import rules
from actstudy.contract import errors
from actstudy.contract.errors import StudyError, visible
from actstudy.contract.spec import data_name, from_json

EXITS = {"note": 0, "warning": 1, "error": 3}  # 2 is bad input


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A run's folder, or a model with a batch."""
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="RUN", help="folder of a run that has ended"
    )
    parser.add_argument(
        "--train_split",
        action="store_true",
        help="and count its dead units over all train examples",
    )
    parser.add_argument(
        "--data_dir",
        type=Path,
        default=Path("results/data"),
        help="prepared data (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="MODULE:FUNCTION",
        help="returns your torch.nn.Module; it learns the batch",
    )
    parser.add_argument(
        "--batch",
        type=Path,
        metavar="FILE",
        help=".npz or .pt with x, and with y where there is one",
    )
    parser.add_argument(
        "--steps", type=int, default=300, help="of Adam on that batch (default: %(default)s)"
    )
    parser.add_argument("--lr", type=float, default=1e-3, help="of Adam (default: %(default)s)")
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Print the findings, the worst first; 0 where there are notes at most, 1 at warnings, 3 at errors."""
    if bool(arguments.folder) == bool(arguments.model) or bool(arguments.model) != bool(
        arguments.batch
    ):
        raise StudyError(
            "doctor: allowed: a run's folder, or --model MODULE:FUNCTION with --batch FILE"
        )
    if arguments.steps < 2 or not arguments.lr > 0:
        raise StudyError(
            f"doctor: got --steps {arguments.steps} --lr {arguments.lr}; allowed: 2 or more, above 0"
        )
    if arguments.folder and not (arguments.folder / "runs.parquet").is_file():
        raise StudyError(
            f"doctor: {arguments.folder}: no run has ended there; allowed: results/runs/TASK/RUN"
        )
    findings = rules.of_run(arguments.folder) if arguments.folder else _of_model(arguments)
    told = rules.format_findings(findings).split("\n")
    told += (
        [_dead(arguments.folder, arguments.data_dir)]
        if arguments.train_split and arguments.folder
        else []
    )
    print("\n".join(map(visible, told)))  # layers are named by whoever wrote the model
    return max((EXITS[finding.severity] for finding in findings), default=0)


def _of_model(arguments: argparse.Namespace) -> list[rules.Finding]:
    from actstudy.health import doctor

    model, (x, y) = _made(arguments.model), doctor.batch(arguments.batch)
    try:
        health = doctor.examine(model, x, y, arguments.steps, arguments.lr)
    except StudyError:
        raise
    except Exception as error:
        shapes = f"x {tuple(x.shape)} {x.dtype}" + (
            f", y {tuple(y.shape)} {y.dtype}" if y is not None else ""
        )
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StudyError(f"doctor: the model does not learn from {shapes}: {reason}") from None
    losses = [row["value"] for row in health.rows if row["probe"] == "loss"]
    ends = f"loss {losses[0]:.4g} -> {losses[-1]:.4g}"
    print(
        f"{len(x)} examples, {arguments.steps} steps of Adam: {ends}; {len(health.sites)} activation sites"
    )
    return health.findings()


def _dead(folder: Path, data_dir: Path) -> str:
    """Dead units of a run's best weights over its whole train split, site by site."""
    import torch

    from actstudy.data import prepared
    from actstudy.health.doctor import dead_units
    from actstudy.training.wiring import make_model

    spec = from_json((folder / "spec.json").read_text(encoding="utf-8"))
    weights, where = folder / "checkpoints" / "best.pt", data_dir / data_name(spec)
    for path in (weights, where / "manifest.json"):
        if not path.is_file():
            raise StudyError(
                f"doctor: --train_split: {path} is missing; allowed: a completed run and its prepared data"
            )
    data, cpu = prepared.load(where), torch.device("cpu")
    torch.set_num_threads(1)
    model, sites = make_model(spec, data)
    model.load_state_dict(torch.load(weights, weights_only=True))
    inputs = data.inputs(cpu)
    parts = (inputs(x) for x in data.on(cpu, "train")["x"].split(256))
    found = dead_units(model, sites.modules, parts)
    lines = [f"{site}: {dead} of {units}" for site, (dead, units) in found.items() if dead]
    head = f"dead over all {data.n('train')} train examples, at the best weights"
    return f"{head}: {'; '.join(lines) or 'no unit'}"


def _made(name: str) -> Any:
    """The module that a user's MODULE:FUNCTION returns."""
    import torch

    module, _, function = name.partition(":")
    sys.path.insert(0, "")
    try:
        found = importlib.import_module(module)
        if not callable(getattr(found, function, None)):
            near = errors.nearest(
                function, [key for key, value in vars(found).items() if callable(value)]
            )
            raise StudyError(f"doctor: --model {name}: {module} has no function {function!r}{near}")
        made = getattr(found, function)()
    except StudyError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StudyError(f"doctor: --model {name}: {reason}") from None
    if not isinstance(made, torch.nn.Module):
        raise StudyError(
            f"doctor: --model {name}: returned {type(made).__name__}; allowed: a torch.nn.Module"
        )
    return made
