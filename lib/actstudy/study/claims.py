"""Published numbers that a study is compared with: the key `claims` of a study file."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from actstudy.contract import errors, registry, schema
from actstudy.contract.errors import StudyError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)  # most never read one
Number = Annotated[float, Field(strict=True)]  # strict: true and false are not numbers
DERIVED = (
    "error_percent",  # 100 (1 - reported accuracy)
    "mean_train_loss",  # the mean of a run's train losses
)
RUN_METRICS = [name for name in schema.RUNS.names if name.startswith(("reported_", "last_"))]
METRICS = (*DERIVED, *RUN_METRICS)


class Known(BaseModel):
    """A block whose unknown keys are reported with the nearest known one."""

    model_config = STRICT

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, content: Any) -> Any:
        names = cls.model_fields
        for key in content if isinstance(content, dict) else ():
            if key not in names:
                message = f"unknown key; {errors.choices(key, names)}"
                fault = InitErrorDetails(
                    type=PydanticCustomError("unknown", message), loc=(key,), input=content[key]
                )  # a plain ValueError would not name the key
                raise ValidationError.from_exception_data(cls.__name__, [fault])
        return content


class Value(Known):
    """A published value: a mean over n runs, with its standard deviation if that was given."""

    mean: Number
    sd: Annotated[float, Field(strict=True, ge=0)] | None = None
    n: Annotated[int, Field(strict=True, ge=1)] | None = None


def _check_metric(name: str) -> str:
    return errors.check_name(name, "metric", METRICS)


class Claims(Known):
    """A published table: its metric, the tolerance of a replication, and its values by level."""

    source: str = Field(description="where the numbers were published", min_length=1)
    metric: Annotated[str, AfterValidator(_check_metric)] = Field(
        description="a column of `runs` (reported_ or last_), error_percent or mean_train_loss"
    )
    tolerance: Annotated[float, Field(strict=True, ge=0)] = Field(
        description="how far from a claim a replication may lie, in the metric's unit"
    )
    values: dict[str, Value] = Field(
        description="level, named as in tables -> mean, sd, n", min_length=1
    )


def spellings(levels: Mapping[str, str]) -> dict[str, str]:
    """Every name that a level may have in a file -> the level: its activation's aliases count.

    levels: level -> its value on the compared axis, with which the level begins.
    """
    aliases = registry.literal("nets/activations.py", "ALIASES")
    level_by_name = {level: level for level in levels}
    for level, value in levels.items():
        for alias, name in aliases.items():
            if name == value:
                level_by_name[alias + level.removeprefix(value)] = level
    return level_by_name


def resolve(claims: Claims, levels: Mapping[str, str], where: str) -> Claims:
    """Claims by levels as the study names them; StudyError if one is unknown or there twice.

    levels: level -> its value on the compared axis.
    """
    level_by_name = spellings(levels)
    values: dict[str, Value] = {}
    for name, value in claims.values.items():
        level = level_by_name.get(name)
        if level is None:
            allowed = errors.choices(name, levels)
            raise StudyError(f"{where}: claims.values: got {name!r}; {allowed}")
        if level in values:
            allowed = "each level once, under one of its names"
            raise StudyError(f"{where}: claims.values: got {name!r}; allowed: {allowed}")
        values[level] = value
    return claims.model_copy(update={"values": values})


def check_tasks(tasks: Iterable[str], where: str) -> None:
    """StudyError unless a study with claims has one task."""
    names = list(tasks)
    if len(names) > 1:
        got = f"{len(names)} tasks, {', '.join(names)}"
        raise StudyError(f"{where}: claims: got {got}; allowed: one task")
