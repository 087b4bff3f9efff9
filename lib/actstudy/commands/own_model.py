"""`doctor --model`: the user's own model, its batch and what the user says of both."""

import argparse
import importlib
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actstudy.advice.report import checked
from actstudy.commands.parser import Parser
from actstudy.commands.report import Report, has_sites
from actstudy.contract import errors
from actstudy.contract.errors import StudyError

FLAGS = ("batch", "steps", "lr", "loss", "batch_axis", "class_axis", "sites")
STEPS = 300
LR = 1e-3


def add_flags(parser: Parser) -> None:
    """A model, its batch, and what would else be assumed of them."""
    parser.add_argument(
        "--model",
        metavar="MODULE:FUNCTION",
        help="returns your torch.nn.Module; it learns the batch",
    )
    parser.add_argument(
        "--batch", type=Path, metavar="FILE", help=".npz or .pt with x, and y if there is one"
    )
    parser.add_argument("--steps", type=int, help=f"steps of Adam on that batch (default: {STEPS})")
    parser.add_argument("--lr", type=float, help=f"learning rate of Adam (default: {LR})")
    parser.add_argument(
        "--loss",
        metavar="NAME",
        help="cross_entropy, binary (of logits), mse, none (mean square of the output), or "
        "MODULE:FUNCTION called with (output, target); default: by the target's shape and values",
    )
    parser.add_argument(
        "--batch_axis", type=int, metavar="AXIS", help="axis of x that holds examples (default: 0)"
    )
    parser.add_argument(
        "--class_axis",
        type=int,
        metavar="AXIS",
        help="axis of the output that holds classes (default: by the target's shape)",
    )
    parser.add_argument(
        "--sites",
        nargs="+",
        metavar="PATTERN",
        help="names of further modules that are activations, such as '*.act'",
    )


def check(arguments: argparse.Namespace) -> None:
    """StudyError if the batch is missing or a number is out of range; sets the defaults."""
    if not arguments.batch:
        raise StudyError(
            "doctor: --model: needs --batch FILE; allowed: .npz or .pt of x, or x and y"
        )
    if arguments.steps is None:
        arguments.steps = STEPS
    if arguments.lr is None:
        arguments.lr = LR
    if arguments.steps < 2 or not 0 < arguments.lr < math.inf:
        raise StudyError(
            f"doctor: got --steps {arguments.steps} --lr {arguments.lr}; "
            "allowed: 2 or more, above 0 and finite"
        )


def report(arguments: argparse.Namespace) -> Report:
    """The report of the user's model while it learns its batch, with Python's warnings."""
    from actstudy.health import batch, doctor, loss
    from actstudy.health.subject import Choices

    with warnings.catch_warnings(record=True) as noted:
        own_loss = None
        if ":" in (arguments.loss or ""):
            own_loss = _function("loss", arguments.loss)
        elif arguments.loss:
            _check_loss(arguments.loss, loss.NAMES)
        model = _model(arguments.model)
        x, y = batch.read(arguments.batch)
        choices = Choices(
            arguments.loss,
            own_loss,
            arguments.batch_axis,
            arguments.class_axis,
            arguments.sites or (),
        )
        examination = doctor.examine(model, x, y, arguments.steps, arguments.lr, choices)
    health = examination.health
    lines = list(examination.lines)
    for warning in noted:
        text = " ".join(str(warning.message).split())
        if not text.startswith("Monitor: "):  # the coverage has said it
            lines.append(f"{warning.category.__name__}: {text}")
    advice = health.advice()
    lines += checked(advice, health.labels)
    return Report(lines, advice.findings, examination.is_whole, has_sites(health.rows))


def _check_loss(name: str, names: tuple[str, ...]) -> None:
    """StudyError if a loss is neither a known name nor a function of the user's."""
    if name not in names:
        allowed = f"{', '.join(names)}, or MODULE:FUNCTION"
        hint = errors.nearest(name, names)
        raise StudyError(f"doctor: --loss: got {name!r}; {hint}allowed: {allowed}")


def _model(name: str) -> Any:
    """The torch.nn.Module that a user's MODULE:FUNCTION returns; StudyError if it does not."""
    import torch

    from actstudy.health.output import blamed

    factory = _function("model", name)
    with blamed(f"--model {name}", "a function without arguments that returns a torch.nn.Module"):
        model = factory()
    if not isinstance(model, torch.nn.Module):
        raise StudyError(
            f"doctor: --model {name}: returned {type(model).__name__}; allowed: a torch.nn.Module"
        )
    return model


def _function(flag: str, name: str) -> Callable[..., Any]:
    """The function of a user's MODULE:FUNCTION; StudyError if there is none."""
    from actstudy.health.output import blamed

    module_name, _, function = name.partition(":")
    if not module_name or not function:
        raise StudyError(f"doctor: --{flag}: got {name!r}; allowed: MODULE:FUNCTION")
    sys.path.insert(0, "")
    with blamed(f"--{flag} {name}", "a module that can be imported from this folder"):
        module = importlib.import_module(module_name)
    if not callable(getattr(module, function, None)):
        functions = [key for key, value in vars(module).items() if callable(value)]
        hint = errors.nearest(function, functions).strip()
        fault = f"{module_name} has no function {function!r}"
        raise StudyError(f"doctor: --{flag} {name}: {fault}; {hint or 'allowed: one that it has'}")
    return getattr(module, function)
