"""Published numbers beside which a study lays its own: the key `claims` of a study file."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from actstudy.contract import errors, registry, schema
from actstudy.contract.errors import StudyError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Number = Annotated[float, Field(strict=True)]  # strict: YAML's yes and no are no numbers
DERIVED = (
    "error_percent",
    "mean_train_loss",
)  # 100 (1 - reported accuracy); the mean of a run's train losses
METRICS = (
    *DERIVED,
    *(name for name in schema.RUNS.names if name.startswith(("reported_", "last_"))),
)


class Known(BaseModel):
    """A block whose unknown keys are told with the nearest known one."""

    model_config = STRICT

    @model_validator(mode="before")
    @classmethod
    def _known(cls, content: Any) -> Any:
        names = cls.model_fields
        for key in content if isinstance(content, dict) else ():
            if key not in names:
                told = f"unknown key; allowed: {', '.join(names)}{errors.nearest(key, names)}"
                fault = InitErrorDetails(
                    type=PydanticCustomError("unknown", told), loc=(key,), input=content[key]
                )
                raise ValidationError.from_exception_data(
                    cls.__name__, [fault]
                )  # with the key's own place
        return content


class Value(Known):
    """One published value: a mean over n runs, with its standard deviation where that was given."""

    mean: Number
    sd: Annotated[float, Field(strict=True, ge=0)] | None = None
    n: Annotated[int, Field(strict=True, ge=1)] | None = None


def _metric(name: str) -> str:
    return errors.checked(name, "metric", METRICS)


class Claims(Known):
    """A published table: what it measured, how near a replication must come, and its values by level."""

    source: str = Field(description="where the numbers stand", min_length=1)
    metric: Annotated[str, AfterValidator(_metric)] = Field(
        description="a column of `runs` (reported_ or last_), error_percent or mean_train_loss"
    )
    tolerance: Annotated[float, Field(strict=True, ge=0)] = Field(
        description="how far from a claim a replication may lie, in the metric's unit"
    )
    values: dict[str, Value] = Field(
        description="level, named as in tables -> mean, sd, n", min_length=1
    )

    @model_validator(mode="after")
    def _named(self) -> "Claims":
        """The same with the aliases of levels resolved."""
        resolved = {canonical(level): value for level, value in self.values.items()}
        if len(resolved) < len(self.values):
            raise ValueError("each level once, under one of its names")
        self.values = resolved
        return self


def canonical(level: str) -> str:
    """A level with its activation's alias resolved: `swish (init=normal)` is `silu (init=normal)`."""
    name, rest = (level.split(" ", 1) + [""])[:2]
    name = registry.literal("nets/activations.py", "ALIASES").get(name, name)
    return f"{name} {rest}" if rest else name


def checked(
    claims: Claims | None, levels: Iterable[str], tasks: Iterable[str], where: str
) -> dict[str, Any] | None:
    """The claims for the plan; StudyError where a level is none of the study's, or where it has several tasks."""
    if claims is None:
        return None
    levels, tasks = list(dict.fromkeys(levels)), list(tasks)
    for level in claims.values:
        if level not in levels:
            near = errors.nearest(level, levels)
            raise StudyError(
                f"{where}: claims.values: got {level!r}; allowed: {', '.join(levels)}{near}"
            )
    if len(tasks) > 1:
        raise StudyError(
            f"{where}: claims: got {len(tasks)} tasks, {', '.join(tasks)}; allowed: one task"
        )
    return claims.model_dump()
