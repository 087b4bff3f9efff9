"""The study file: what it may say, as pydantic models with extras forbidden, and faults told in one line."""

import dataclasses
import re
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic.functional_validators import WrapValidator

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import Hybrid, RunSpec
from actstudy.study.claims import Claims

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def _activation(value: str | dict[str, str]) -> str | Hybrid:
    """Canonical names; a hybrid becomes pairs, whose order counts, and aliases are resolved."""
    if isinstance(value, dict):
        return tuple((site, registry.activation(name)) for site, name in value.items())
    return registry.activation(value)


NAMES: dict[str, Callable[[Any], Any]] = {
    "activation": _activation,
    "task": lambda value: errors.checked(value, "task", registry.tasks()),
    "dataset": lambda value: errors.checked(value, "data set", registry.datasets()),
    "init": lambda value: errors.checked(value, "init policy", registry.init_policies()),
}


def _no_bool(value: Any) -> Any:
    """The same value; Python would take true and false for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def _clip(value: Any, validate: Callable[[Any], Any]) -> Any:
    """The validated `clip`, with one fault for all of its kinds."""
    try:
        return validate(value)
    except ValidationError:
        raise ValueError(
            f"a number above 0, 'adaptive' or null{errors.nearest(value, ['adaptive'])}"
        ) from None


Number = BeforeValidator(_no_bool)
Metric = Annotated[float, Number]
Share = Annotated[float, Number, Field(ge=0, lt=1)]
ITEMS: dict[str, Any] = {  # fields whose parts have bounds of their own
    "activation": str | Annotated[dict[str, str], Field(min_length=1)],
    "hidden": Annotated[tuple[Annotated[int, Number, Field(ge=1)], ...], Field(min_length=1)]
    | None,
    "betas": tuple[Share, Share],
    "clip": Annotated[
        Annotated[float, Field(gt=0)] | Literal["adaptive"] | None, WrapValidator(_clip)
    ],
}


def _numeric(kind: Any) -> bool:
    """Whether values of a type are numbers or hold some."""
    return kind in (int, float) or any(map(_numeric, typing.get_args(kind)))


def _run_fields() -> dict[str, Any]:
    """Every field of RunSpec that a study sets, as an optional pydantic field with its reason and bounds."""
    hints, made = typing.get_type_hints(RunSpec), {}
    for f in dataclasses.fields(RunSpec):
        if f.name in ("task", "seed", "data_version", "recipe"):
            continue
        kind = ITEMS.get(f.name, hints[f.name])
        marks = (
            [Field(**f.metadata["bounds"])] if f.metadata["bounds"] and f.name not in ITEMS else []
        )
        marks += [Number] if _numeric(kind) else [Field(strict=True)] if kind is bool else []
        marks += [AfterValidator(NAMES[f.name])] if f.name in NAMES else []
        for mark in marks:
            kind = Annotated[kind, mark]
        made[f.name] = (kind, Field(default=None, description=f.metadata["why"]))
    return made


Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]
Seed = Annotated[int, Number, Field(ge=0, lt=2**63)]


def _once(values: list[int]) -> list[int]:
    """The same seeds; each may stand there once."""
    if len(set(values)) < len(values):
        raise ValueError("each seed once")
    return values


Seeds = (
    Annotated[int, Number, Field(ge=1)]
    | Annotated[list[Seed], Field(min_length=1), AfterValidator(_once)]
)


def _rising(values: list[float]) -> list[float]:
    """The same rates from small to large; each may stand there once."""
    if len(set(values)) < len(values):
        raise ValueError("3 or more different rates")
    return sorted(values)


Rates = Annotated[
    list[Annotated[float, Number, Field(gt=0)]], Field(min_length=3), AfterValidator(_rising)
]


class Block(BaseModel):
    """Keys that a study sets for all tasks, or for one under `tasks.<task>`."""

    model_config = STRICT
    axes: Axes = Field(
        {},
        description="run field -> values to cross; a value may be a mapping that sets several fields",
    )
    seeds: Seeds | None = Field(
        None, description="number of seeds (0, 1, ...) or a list of them; all levels share them"
    )
    looks: bool | None = Field(
        None,
        strict=True,
        description="instead of `seeds`: 8, then 12, then 20, until every comparison with the baseline is decided",
    )
    tune_lr: Rates | None = Field(
        None,
        description="rates that val chooses from at seeds 1000-1002, for each level; reported beside the fixed `lr`",
    )
    baseline: str | None = Field(
        None, description="level that the others are compared with; relu, else the first"
    )


RunFields: Any = create_model("RunFields", __config__=STRICT, **_run_fields())
TaskBlock: Any = create_model(
    "TaskBlock",
    __base__=Block,
    targets=(
        list[Metric] | None,
        Field(None, description="metric values whose steps and seconds are tabled"),
    ),
    margin=(
        Metric | None,
        Field(
            None,
            gt=0,
            description="difference that matters (lm: in nats per word); the task gives its own",
        ),
    ),
    **_run_fields(),
)


class StudyFile(Block):
    """One study, whole by itself; its name is the file's."""

    note: str | None = Field(
        None, description="a line at the head of the summary, such as that this is a smoke test"
    )
    tasks: dict[str, TaskBlock | None] = Field(
        description="task -> what this study sets for it", min_length=1
    )
    defaults: RunFields | None = Field(None, description="run fields for all tasks")
    claims: Claims | None = Field(
        None, description="published values: source, metric, tolerance, values by level"
    )
    compare: str = Field(
        "activation", description="the axis whose levels are compared, paired by seed"
    )
    family: Literal["task", "study"] = Field(
        "task",
        description="what the 5% of false verdicts are for: each task on its own, or all tasks together",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes a GPU where one is present"
    )
    slots_per_gpu: Annotated[int, Number] = Field(
        1,
        ge=1,
        description="runs that share a GPU at a time; more suit small models, whose speeds are then not compared",
    )
    probe_every: Annotated[int, Number] = Field(
        200, ge=1, description="steps between probes; never changes a result"
    )
    timeout_minutes: Annotated[float, Number] | None = Field(
        None,
        gt=0,
        description="minutes after which a run, or a pack, ends as `timeout`; never changes a result",
    )


def given(model: BaseModel | None) -> dict[str, Any]:
    """The run fields that a validated block sets."""
    names = model.model_fields_set if model else set()
    return {name: getattr(model, name) for name in RunFields.model_fields if name in names}


def name_error(kind: str, got: str) -> str:
    """What is wrong with a name, or an empty string."""
    try:
        NAMES[kind](got)
    except ValueError as error:
        return str(error)
    return ""


def validated(model: type[BaseModel], content: Mapping[str, Any], source: str) -> Any:
    """The model made of some content; StudyError with the first fault."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{source}: {_explained(error, model)}") from None


def _explained(error: ValidationError, model: type[BaseModel]) -> str:
    """The deepest first fault of a validation as `key: got ..; allowed: ..`, at best of a value of the right type."""
    fault = max(
        error.errors(),
        key=lambda e: (e["type"] != "missing", len(e["loc"]), e["type"][-5:] != "_type"),
    )
    kinds = r"int|float|str|bool|(constrained|list|dict|tuple|function|nullable|union|literal|lax)\W.*"  # no keys
    path = [str(part) for part in fault["loc"] if not re.fullmatch(kinds, str(part))] or ["file"]
    key = ".".join(path)
    if fault["type"] == "extra_forbidden":
        inner = (
            RunFields
            if path[0] == "defaults"
            else TaskBlock
            if path[0] == "tasks" and len(path) > 1
            else model
        )
        names = inner.model_fields
        return f"{key}: unknown key; allowed: {', '.join(names)}{errors.nearest(path[-1], names)}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if fault["type"] == "literal_error":
        message += errors.nearest(fault["input"], re.findall(r"'(.*?)'", message))
    separator = "" if message.startswith("unknown") else "allowed: "
    return f"{key}: got {repr(fault['input'])[:200]}; {separator}{message}"
