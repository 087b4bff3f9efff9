"""Someone's own model, made by its builder from what this names among its parameters."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from actstudy.contract import own_import, own_models
from actstudy.contract.errors import StudyError, nearest
from actstudy.contract.spec import DEFAULTS, RunSpec

MakeAct = Callable[[str], nn.Module]  # site -> its activation
ALLOWED = "a function, or a class of torch.nn.Module, that takes make_act"


def build(spec: RunSpec, manifest: Mapping[str, Any], make_act: MakeAct) -> nn.Module:
    """The untrained model of the builder `spec.model`; StudyError if that is no builder.

    An error of its own code has a note on how it was called. manifest: of the prepared data.
    """
    path = str(spec.model)
    builder = own_import.load(path)
    known = {own_models.MAKE_ACT: make_act, **_sizes(manifest), **_fields(spec)}
    arguments = _arguments(path, builder, known)
    try:
        model = builder(**arguments)
    except Exception as error:
        del arguments[own_models.MAKE_ACT]
        called = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        error.add_note(f"it was called with make_act, {called}")
        raise
    if not isinstance(model, nn.Module):
        got = f"returned {type(model).__name__}"
        raise StudyError(f"{path}: {got}; allowed: a torch.nn.Module")
    return model


def _sizes(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of prepared data that a builder may name; the shape is a tuple."""
    sizes = {name: manifest[name] for name in own_models.SIZES if name in manifest}
    return {**sizes, "shape": tuple(manifest["shape"])}


def _fields(spec: RunSpec) -> dict[str, Any]:
    """The run fields that the source of a builder names and that the spec sets."""
    values = dataclasses.asdict(spec)
    if spec.hidden:
        values["depth"] = len(spec.hidden)
    elif spec.depth and spec.width:
        values["hidden"] = (spec.width,) * spec.depth
    fields = {}
    for name, default in own_models.named(str(spec.model)).items():
        is_unset = default is None and values[name] == DEFAULTS[name]
        if values[name] is not None and not is_unset:
            fields[name] = values[name]
    return fields


def _arguments(path: str, builder: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a builder names; StudyError if it needs others, or no make_act."""
    if isinstance(builder, nn.Module):
        got = "got a model that is made already, whose activations cannot be exchanged"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}")
    if not callable(builder):
        raise StudyError(f"{path}: got {type(builder).__name__}; allowed: {ALLOWED}")
    arguments = {}
    for name, parameter in _parameters(path, builder).items():
        if name in known:
            arguments[name] = known[name]
        elif parameter.default is parameter.empty:
            raise StudyError(f"{path}: {_unknown(name, builder, list(known))}")
    if own_models.MAKE_ACT not in arguments:
        got = f"does not take {own_models.MAKE_ACT}, so that no activation could be exchanged"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}")
    return arguments


def _parameters(path: str, builder: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a builder that can be passed by name."""
    try:
        parameters = inspect.signature(builder).parameters
    except (TypeError, ValueError):
        got = "got a function that does not say its parameters"
        raise StudyError(f"{path}: {got}; allowed: {ALLOWED}") from None
    by_name = {}
    for name, parameter in parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            fault = f"parameter {name!r} takes no name"
            raise StudyError(f"{path}: {fault}; allowed: parameters that are passed by name")
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            by_name[name] = parameter
    return by_name


def _unknown(name: str, builder: Callable[..., Any], known: list[str]) -> str:
    """What is wrong with a required parameter, and what is allowed."""
    fields = [field for field in own_models.FIELDS if field not in known]
    allowed = f"allowed: {', '.join([*known, *fields])}"
    if name in own_models.SIZES:
        return f"parameter {name!r}: these data have none; {allowed}; to fix: give it a default"
    if name in fields:
        what = "a partial" if isinstance(builder, functools.partial) else "no plain def or class"
        fault = f"is {what}, whose run fields cannot be read"
        return f"parameter {name!r}: got no value: it {fault}; to fix: give it a default"
    hint = nearest(name, [*known, *fields])
    return f"parameter {name!r}: unknown; {hint}{allowed}; to fix: give it a default"
