"""Names with arguments in a ledger, `elu` or `{elu: {alpha: 2}}`, and what they stand for."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from torch import nn

from actstudy.contract import own
from actstudy.contract.errors import check_name, choices
from actstudy.nets.activations import ACTIVATIONS, ALIASES, entry
from actstudy.nets.initializers import POLICIES

Fixed = tuple[str, tuple[tuple[str, float], ...]]  # as it can be a key
Choice = str | Mapping[str, Mapping[str, float]] | Fixed


def parts(choice: Choice) -> tuple[str, dict[str, float]]:
    """The name and the arguments; ValueError if it is none of the forms."""
    if isinstance(choice, str):
        return choice, {}
    if isinstance(choice, tuple):
        return choice[0], dict(choice[1])
    if isinstance(choice, Mapping) and len(choice) == 1:
        ((name, args),) = choice.items()
        if isinstance(args, Mapping):
            return str(name), dict(args)
    raise ValueError(f"got {choice!r}; allowed: a name, or {{name: {{argument: value}}}}")


def fixed(choice: Choice) -> Fixed:
    """The same choice in a form that can be a key."""
    name, args = parts(choice)
    return name, tuple(sorted(args.items()))


def label(choice: Choice) -> str:
    """`elu`, or `elu with alpha 2`."""
    name, args = parts(choice)
    values = ", ".join(f"{key} {value:g}" for key, value in args.items())
    return f"{name} with {values}" if values else name


def listed(value: Any) -> list[Any]:
    """A list as it is, anything else as a list of itself."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def conditions(**lists: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each combination of values, with a text that names those which vary.

    `conditions(init=["zero", "auto"], depth=5)` gives ("init zero", {"init": "zero", "depth": 5})
    and ("init auto", {"init": "auto", "depth": 5}).
    """
    values = {name: listed(value) for name, value in lists.items()}
    varying = [name for name in values if len(values[name]) > 1]
    for combination in product(*values.values()):
        named = dict(zip(values, combination, strict=True))
        yield ", ".join(f"{name} {_text(named[name])}" for name in varying), named


def _text(value: Any) -> str:
    if isinstance(value, (str, Mapping)):
        return label(value)
    if isinstance(value, list):
        alike = len(value) > 1 and len(set(value)) == 1
        return f"{len(value)} x {value[0]}" if alike else "-".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def activation(choice: Choice, units: int = 1) -> nn.Module:
    """A fresh activation of a layer of units; ValueError for an unknown name or argument."""
    name, args = parts(choice)
    name = ALIASES.get(name, name)
    if not own.is_path(name):
        check_name(name, "activation", ACTIVATIONS)
    defaults = entry(name).args
    for key, value in args.items():
        if key not in defaults:
            raise ValueError(f"activation {name}: {key}: {choices(key, defaults)}")
        if isinstance(defaults[key], float):
            args[key] = float(value)
    size = {"units": units} if getattr(entry(name), "per_unit", False) else {}
    return entry(name).factory(**args, **size)


def policy(choice: Choice) -> tuple[str, dict[str, float]]:
    """The name of an init policy and its arguments; ValueError for an unknown one."""
    name, args = parts(choice)
    defaults = POLICIES[check_name(name, "init", POLICIES)].args
    for key in args:
        if key not in defaults:
            raise ValueError(f"init {name}: {key}: {choices(key, defaults)}")
    return name, {**defaults, **args}
