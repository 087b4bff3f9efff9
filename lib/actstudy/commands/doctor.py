"""`doctor`: what health means, of a run that has ended or of the user's own model on one batch."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from actstudy.advice import rules
from actstudy.commands.parser import Parser
from actstudy.contract import code, errors, sources, store
from actstudy.contract.errors import StudyError, visible
from actstudy.contract.spec import data_name, from_json

EXIT_STATUS = {"note": 0, "warning": 1, "error": 3}  # 2 is bad input


def add_flags(parser: Parser) -> None:
    """A run's folder, or a model with a batch."""
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="RUN", help="folder of a run that has ended"
    )
    parser.add_argument(
        "--train_split",
        action="store_true",
        help="also count the units that no train example takes above zero",
    )
    parser.add_argument(
        "--data_dir",
        type=Path,
        default=store.DATA,
        help="prepared data (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        metavar="MODULE:FUNCTION",
        help="returns your torch.nn.Module; it learns the batch",
    )
    parser.add_argument(
        "--batch", type=Path, metavar="FILE", help=".npz or .pt with x, and y if there is one"
    )
    parser.add_argument(
        "--steps", type=int, default=300, help="steps of Adam on that batch (default: %(default)s)"
    )
    parser.add_argument(
        "--lr", type=float, default=1e-3, help="learning rate of Adam (default: %(default)s)"
    )


def doctor(arguments: argparse.Namespace) -> int:
    """Print the findings, most severe first; 0 for notes at most, 1 for warnings, 3 for errors."""
    _check(arguments)
    findings = rules.of_run(arguments.folder) if arguments.folder else _of_model(arguments)
    lines = rules.format_findings(findings).split("\n")
    if arguments.folder and arguments.train_split:
        lines.append(_never_positive_units(arguments.folder, arguments.data_dir))
    for line in lines:
        print(visible(line))  # layers are named by whoever wrote the model
    return max((EXIT_STATUS[finding.severity] for finding in findings), default=0)


def _check(arguments: argparse.Namespace) -> None:
    """StudyError if the arguments name neither a run nor a model with its batch, or both."""
    is_run = bool(arguments.folder)
    is_model = bool(arguments.model)
    if is_run == is_model or is_model != bool(arguments.batch):
        raise StudyError(
            "doctor: allowed: a run's folder, or --model MODULE:FUNCTION with --batch FILE"
        )
    if arguments.steps < 2 or not arguments.lr > 0:
        raise StudyError(
            f"doctor: got --steps {arguments.steps} --lr {arguments.lr}; "
            "allowed: 2 or more, above 0"
        )
    if is_run and not (arguments.folder / "runs.parquet").is_file():
        raise StudyError(
            f"doctor: {arguments.folder}: no run has ended there; allowed: results/runs/TASK/RUN"
        )


def _of_model(arguments: argparse.Namespace) -> list[rules.Finding]:
    """The findings of the user's model while it learns its batch."""
    from actstudy.health import doctor

    model = _model(arguments.model)
    x, y = doctor.batch(arguments.batch)
    try:
        health = doctor.examine(model, x, y, arguments.steps, arguments.lr)
    except StudyError:
        raise
    except Exception as error:
        shapes = f"x {tuple(x.shape)} {x.dtype}"
        if y is not None:
            shapes += f", y {tuple(y.shape)} {y.dtype}"
        raise StudyError(
            f"doctor: the model does not learn from {shapes}: {_first_line(error)}"
        ) from None
    losses = [row["value"] for row in health.rows if row["probe"] == "loss"]
    print(
        f"{len(x)} examples, {arguments.steps} steps of Adam: "
        f"loss {losses[0]:.4g} -> {losses[-1]:.4g}; {len(health.sites)} activation sites"
    )
    return health.findings()


def _never_positive_units(folder: Path, data_dir: Path) -> str:
    """A line on the units never above zero over the train split, per site, at the best weights."""
    import torch

    from actstudy.data import prepared
    from actstudy.health.doctor import never_positive_units
    from actstudy.training import checkpoint
    from actstudy.training.wiring import make_model

    spec = from_json((folder / "spec.json").read_text(encoding="utf-8"))
    code.check(spec, f"doctor: {folder}")
    weights = folder / "checkpoints" / "best.pt"
    data_folder = data_dir / data_name(spec)
    for path in (weights, data_folder / "manifest.json"):
        if not path.is_file():
            raise StudyError(
                f"doctor: --train_split: {path} is missing; "
                "allowed: a completed run and its prepared data"
            )
    sources.check_run(folder, data_folder)
    data = prepared.load(data_folder)
    cpu = torch.device("cpu")
    torch.set_num_threads(1)
    model, sites = make_model(spec, data)
    model.load_state_dict(checkpoint.read(weights, cpu))
    inputs = data.inputs(cpu)
    batches = (inputs(x) for x in data.on(cpu, "train")["x"].split(256))
    counts = never_positive_units(model, sites.modules, batches)
    sentences = [f"{site}: {count} of {units}" for site, (count, units) in counts.items() if count]
    return (
        f"never above zero over all {data.n('train')} train examples, at the best weights: "
        f"{'; '.join(sentences) or 'no unit'}"
    )


def _model(name: str) -> Any:
    """The torch.nn.Module that a user's MODULE:FUNCTION returns; StudyError if it does not."""
    import torch

    module_name, _, function = name.partition(":")
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
        if not callable(getattr(module, function, None)):
            functions = [key for key, value in vars(module).items() if callable(value)]
            raise StudyError(
                f"doctor: --model {name}: {module_name} has no function {function!r}"
                f"{errors.nearest(function, functions)}"
            )
        model = getattr(module, function)()
    except StudyError:
        raise
    except Exception as error:
        raise StudyError(f"doctor: --model {name}: {_first_line(error)}") from None
    if not isinstance(model, torch.nn.Module):
        raise StudyError(
            f"doctor: --model {name}: returned {type(model).__name__}; allowed: a torch.nn.Module"
        )
    return model


def _first_line(error: Exception) -> str:
    """An error's kind and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
