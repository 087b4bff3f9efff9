"""The study file: what it may say, as pydantic models with extras forbidden, and faults told in one line."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from actstudy.study import registry
from actstudy.study.registry import StudyError
from actstudy.study.spec import RunSpec

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def _activation(value: str | dict[str, str]) -> str | dict[str, str]:
    if isinstance(value, dict):
        return {site: registry.activation(name) for site, name in value.items()}
    return registry.activation(value)


NAMES: dict[str, Callable[[Any], Any]] = {
    "activation": _activation,
    "task": lambda value: registry.checked(value, "task", registry.tasks()),
    "dataset": lambda value: registry.checked(value, "data set", registry.datasets()),
    "init": lambda value: registry.checked(value, "init policy", registry.init_policies()),
}


def _run_fields() -> dict[str, Any]:
    """Every field of RunSpec that a study sets, as an optional pydantic field with its reason and bounds."""
    hints, made = typing.get_type_hints(RunSpec), {}
    for f in dataclasses.fields(RunSpec):
        if f.name in ("task", "seed", "data_version", "recipe"):
            continue
        bounded = Annotated[hints[f.name], Field(**f.metadata["bounds"])] if f.metadata["bounds"] else hints[f.name]
        kind = Annotated[bounded, AfterValidator(NAMES[f.name])] if f.name in NAMES else bounded
        made[f.name] = (kind, Field(default=None, description=f.metadata["why"]))
    return made


Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]
Seeds = Annotated[int, Field(ge=1)] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Block(BaseModel):
    """Keys that a study sets for all tasks, or for one under `tasks.<task>`."""

    model_config = STRICT
    axes: Axes = Field(
        {}, description="run field -> values to cross; a value that is a mapping sets several fields at once"
    )
    seeds: Seeds | None = Field(
        None, description="number of seeds (0, 1, ...) or a list of them; all levels share them"
    )
    baseline: str | None = Field(
        None, description="level that the others are compared with; relu, else the first level"
    )


RunFields: Any = create_model("RunFields", __config__=STRICT, **_run_fields())
TaskBlock: Any = create_model(
    "TaskBlock",
    __base__=Block,
    targets=(
        list[float] | None,
        Field(None, description="values of the task's metric whose steps and seconds are tabled"),
    ),
    margin=(
        float | None,
        Field(None, gt=0, description="difference of the metric that matters; the task gives its own"),
    ),
    **_run_fields(),
)


class StudyFile(Block):
    """One study, whole by itself."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = Field(
        "default", description="name; results land in results/, or results/NAME/ for any other name"
    )
    note: str | None = Field(
        None, description="a line at the head of the summary, for instance that this is a smoke test"
    )
    tasks: dict[str, TaskBlock | None] = Field(description="task -> what this study sets for it", min_length=1)
    defaults: RunFields | None = Field(None, description="run fields for all tasks")
    compare: str = Field("activation", description="the axis whose levels are compared, paired by seed")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where one is present")
    probe_every: int = Field(200, ge=1, description="steps between health probes; never changes a result")


def read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise StudyError(f"{file}: no such file; allowed: a study file, such as config/config.yaml")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{file}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{file}: got {type(content).__name__}; allowed: a mapping of keys, tasks among them")
    return content


def coerced(value: Any) -> Any:
    """A `--config` value as YAML would have it: `a,b` is a list, `3` a number."""
    if isinstance(value, str) and "," in value and not value.startswith(("[", "{")):
        return [coerced(part) for part in value.split(",")]
    return yaml.safe_load(value) if isinstance(value, str) else value


def name_error(kind: str, got: str) -> str:
    try:
        NAMES[kind](got)
    except ValueError as error:
        return str(error)
    return ""


def validated(model: type[BaseModel], content: Mapping[str, Any], source: str) -> Any:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{source}: {_explained(error, model)}") from None


def _explained(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation as `key: got ..; allowed: ..`."""
    fault = error.errors()[0]
    path = [
        str(part)
        for part in fault["loc"]
        if not str(part).startswith(("constrained", "list[", "function-", "int", "dict["))
    ]
    key = ".".join(path)
    if fault["type"] == "extra_forbidden":
        inner = RunFields if path[0] == "defaults" else TaskBlock if path[0] == "tasks" and len(path) > 1 else model
        names = inner.model_fields
        return f"{key}: unknown key; allowed: {', '.join(names)}{registry.nearest(path[-1], names)}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    separator = "" if message.startswith("unknown") else "allowed: "
    return f"{key}: got {fault['input']!r}; {separator}{message}"
