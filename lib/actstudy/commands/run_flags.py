"""A flag of `train` per run field, with what is allowed, its reason and its default."""

import argparse
import dataclasses
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actstudy.commands.parser import Parser
from actstudy.contract import nets, registry, spec
from actstudy.study.config import RunFields

NAMES: dict[str, Callable[[], Iterable[str]]] = {  # run fields whose values are names of a registry
    "activation": lambda: [*registry.activation_names(), *registry.aliases()],
    "dataset": registry.datasets,
    "model": nets.known,
    "init": registry.init_policies,
}
SWITCHES = (
    "nesterov",
    "strict",
    "deterministic_shuffle",
)  # run fields that are flags without a value


def add(parser: Parser) -> None:
    """A flag per run field, its reason and its default; absent from the arguments if not given."""
    defaults = spec.DEFAULTS
    if parser.task:
        defaults = {**spec.DEFAULTS, **registry.task(parser.task)["defaults"]}
        text = textwrap.fill(about(parser.task), 100).replace("%", "%%")
        parser.epilog = f"{text}\n\n{parser.epilog}"
    add_fields(parser, RunFields.model_fields, defaults)


def add_fields(parser: Parser, names: Iterable[str], defaults: Mapping[str, Any]) -> None:
    """A flag per named run field with its reason, and its default if it has one."""
    for name in names:
        info = RunFields.model_fields[name]
        text = str(info.description)
        if name in NAMES:
            text += f"; {', '.join(NAMES[name]())}"
        default = defaults.get(name)
        if default not in (None, {}, dataclasses.MISSING):
            text += f" (default: {default})"
        parser.add_argument(
            f"--{name}",
            default=argparse.SUPPRESS,
            help=text.replace("%", "%%"),
            **_values(name, info.annotation),
        )


def _values(name: str, kind: Any) -> dict[str, Any]:
    """What argparse is told of a run field's values: a switch, one of a few words, or any value."""
    if name in SWITCHES:
        return {"action": argparse.BooleanOptionalAction}
    if typing.get_origin(kind) is typing.Literal:
        return {"choices": typing.get_args(kind)}
    return {"metavar": "NAME" if name in NAMES else "VALUE"}


def about(task: str) -> str:
    """A task's metric, targets and margin in a few sentences."""
    settings = registry.task(task)
    better = "higher" if settings["higher_is_better"] else "lower"
    targets = ", ".join(f"{target:g}" for target in settings["targets"])
    return (
        f"{task}: {settings['title']}. "
        f"Compared is the test {settings['metric']} ({settings['unit']}), {better} is better; "
        f"a difference matters from {settings['margin']:g} on: {settings['margin_reason']}. "
        f"Steps and seconds are tabled to {targets} on val."
    )
