"""The study file as pydantic models that forbid unknown keys."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    create_model,
)
from pydantic.functional_validators import WrapValidator

from actstudy.contract import errors, losses, nets, own_data, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import Hybrid, RunSpec
from actstudy.own_data.describe import describe
from actstudy.study import stated
from actstudy.study.claims import STRICT, Claims

NOT_SET_BY_STUDIES = ("task", "seed", "data_version", "recipe", "code")


def _activation(value: str | dict[str, str]) -> str | Hybrid:
    """The canonical name; for a hybrid (site pattern, canonical name) pairs in their order."""
    if isinstance(value, dict):
        return tuple((site, registry.activation(name)) for site, name in value.items())
    return registry.activation(value)


def _dataset(value: str | dict[str, Any]) -> str:
    """The name of a data set, registered or of the user's own; its files are read for that."""
    if own_data.is_own(value):
        return describe(value)
    name = str(value)
    if own_data.declaration(name) is not None:
        return name
    try:
        return errors.check_name(name, "data set", registry.datasets())
    except StudyError as error:
        raise StudyError(f"{error}, or a path such as ./{name}") from None


NAMES: dict[str, Callable[[Any], Any]] = {
    "activation": _activation,
    "task": registry.check_task,
    "model": lambda value: value if value is None else nets.check_name(value),
    "dataset": _dataset,
    "loss": lambda value: value if value is None else losses.check_name(value),
    "init": lambda value: errors.check_name(value, "init policy", registry.init_policies()),
}


def _no_bool(value: Any) -> Any:
    """A value unless it is true or false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def _clip(value: Any, validate: Callable[[Any], Any]) -> Any:
    """The validated `clip`; ValueError with one text for all of its types."""
    try:
        return validate(value)
    except ValidationError:
        hint = errors.nearest(value, ["adaptive"])
        raise ValueError(f"{hint}allowed: a number above 0, 'adaptive' or null") from None


Number = BeforeValidator(_no_bool)
Metric = Annotated[float, Number]
CountOrAuto = Annotated[int | Literal["auto"], BeforeValidator(stated.count_or_auto)]
Share = Annotated[float, Number, Field(ge=0, lt=1)]
TYPES: dict[str, Any] = {  # of run fields whose parts have bounds of their own
    "activation": str | Annotated[dict[str, str], Field(min_length=1)],
    "dataset": str | Annotated[dict[str, Any], Field(min_length=1)],
    "hidden": Annotated[tuple[Annotated[int, Number, Field(ge=1)], ...], Field(min_length=1)]
    | None,
    "betas": tuple[Share, Share],
    "clip": Annotated[
        Annotated[float, Field(gt=0)] | Literal["adaptive"] | None, WrapValidator(_clip)
    ],
}


def _is_numeric(kind: Any) -> bool:
    """Whether values of a type are numbers or contain some."""
    return kind in (int, float) or any(map(_is_numeric, typing.get_args(kind)))


def _field_type(field: dataclasses.Field[Any], hint: Any) -> Any:
    """The pydantic type of a field of RunSpec: its type hint with its bounds and checks."""
    kind = TYPES.get(field.name, hint)
    if field.metadata["bounds"] and field.name not in TYPES:
        kind = Annotated[kind, Field(**field.metadata["bounds"])]
    if _is_numeric(kind):
        kind = Annotated[kind, Number]
    elif kind is bool:
        kind = Annotated[kind, Field(strict=True)]
    if field.name in NAMES:
        kind = Annotated[kind, AfterValidator(NAMES[field.name])]
    return kind


def _run_fields() -> dict[str, Any]:
    """Every field of RunSpec that a study sets, as an optional pydantic field with its reason."""
    hints = typing.get_type_hints(RunSpec)
    run_fields = {}
    for field in dataclasses.fields(RunSpec):
        if field.name not in NOT_SET_BY_STUDIES:
            kind = _field_type(field, hints[field.name])
            run_fields[field.name] = (kind, Field(None, description=field.metadata["why"]))
    return run_fields


Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]
Seed = Annotated[int, Number, Field(ge=0, lt=2**63)]
Seeds = Annotated[
    Annotated[int, Number, Field(ge=1)]
    | Annotated[list[Seed], Field(min_length=1), AfterValidator(stated.distinct)],
    BeforeValidator(stated.number_or_list),
]
Looks = Annotated[bool | Literal["anytime"], BeforeValidator(stated.looks)]


def _rising(values: list[float]) -> list[float]:
    """The rates from small to large; ValueError if one is listed twice."""
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
        description="run field -> values to cross; a value may be a mapping that sets"
        " several fields",
    )
    seeds: Seeds | None = Field(
        None,
        description="number of seeds (0, 1, ...) or a list of them, 1 if it is not set; all levels"
        " share them; below 8 there is no verdict, but for `looks: anytime`",
    )
    looks: Looks | None = Field(
        None,
        description="instead of `seeds`: 8, then 12, then 20, until every comparison with the"
        " baseline is decided; `anytime`, with a number of `seeds`: verdicts hold at any number"
        " of seeds, which may be raised whenever",
    )
    tune_lr: Rates | None = Field(
        None,
        description="rates that val chooses from at seeds 1000-1002, for each level; reported"
        " next to the fixed `lr`",
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
    ledger: Annotated[str, AfterValidator(stated.folder)] | None = Field(
        None, description="folder next to this file with claims of guides, which are measured"
    )
    compare: str = Field(
        "activation", description="the axis whose levels are compared, paired by seed"
    )
    family: Literal["task", "study"] = Field(
        "task",
        description="what the 5% of false verdicts are for: each task on its own, or all tasks"
        " together",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes a GPU where one is present"
    )
    slots_per_gpu: CountOrAuto = Field(
        1, description="runs that share a GPU; then no speeds are compared; auto: while it is idle"
    )
    runs_per_job: CountOrAuto = Field(
        "auto",
        description="runs of one process, which saves its start and, for seeds of a compiled run,"
        " compiling; auto: up to 8 on a CPU, 40 on a GPU, on a cluster as many as make 50 jobs, at"
        " most 40; those of Keras and of own code are alone",
    )
    probe_every: Annotated[int, Number] = Field(
        200, ge=1, description="steps between probes; never changes a result"
    )
    timeout_minutes: Annotated[float, Number] | None = Field(
        None,
        gt=0,
        description="minutes after which a run, or a pack, ends as `timeout`, without a result",
    )


def set_fields(model: BaseModel | None) -> dict[str, Any]:
    """The run fields that a validated block sets."""
    names = model.model_fields_set if model else set()
    return {name: getattr(model, name) for name in RunFields.model_fields if name in names}


def name_error(kind: str, name: str) -> str:
    """What is wrong with a name of a kind in NAMES; empty if nothing is."""
    try:
        NAMES[kind](name)
    except ValueError as error:
        return str(error)
    return ""
