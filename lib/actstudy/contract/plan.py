"""What a study asks of its tables: the one thing that passes from planning to analysis."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LooksTaken:
    """How far a task with looks has come: seeds asked for by now, seeds at most, no further look to take."""

    run: int
    all: int
    ended: bool


@dataclass(frozen=True)
class TaskPlan:
    """One task of a study: what is compared, in which unit, from which difference on, with what."""

    title: str
    metric: str  # on the test split, at the best checkpoint on val
    unit: str  # of the metric
    higher_is_better: bool
    predicts: str  # classes or tokens
    x_axis: str  # of the learning curves
    margin: float  # smallest difference that matters, in `unit`, or in `log_unit` if there is one
    margin_reason: str
    log_unit: (
        str | None
    )  # unit of differences of the metric's natural logarithm, if these are compared
    chance: float | None  # the metric of a model that knows nothing, if it predicts classes
    targets: list[float]  # metric values whose steps and seconds are tabled
    baseline: str  # level that the others are compared with
    recipe: dict[str, Any]  # run fields that all runs share
    axes: dict[str, list[Any]]  # run field -> its crossed values
    looks: bool  # whether seeds are added until all is decided
    tune_lr: list[float] | None  # learning rates that val chooses from
    figures: tuple[str, ...]
    looks_runs: LooksTaken | None = None

    @property
    def sign(self) -> int:
        """1 if a higher metric is better, else -1."""
        return 1 if self.higher_is_better else -1

    @property
    def chance_level(self) -> float:
        """`chance`, NaN if the task has none."""
        return math.nan if self.chance is None else self.chance

    @property
    def compared_unit(self) -> str:
        """The unit of differences and of the margin."""
        return self.log_unit or self.unit


@dataclass(frozen=True)
class Plan:
    """A study's questions and its runs, in the study's order."""

    file: str
    study: str
    note: str | None
    compare: str  # the axis whose levels are compared
    family: str  # what the 5% of false verdicts are for: `task` or `study`
    claims: dict[str, Any] | None
    levels: list[str]
    tasks: dict[str, TaskPlan]
    runs: list[
        dict[str, Any]
    ]  # a row per reported run: run_id, task, level, group, places, seed, ...
    tuning: list[dict[str, Any]]  # a row per run that only chooses a learning rate

    def to_json(self) -> str:
        """The plan as JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that `to_json` wrote."""
        content = json.loads(text)
        tasks = {name: _task(values) for name, values in content.pop("tasks").items()}
        return cls(tasks=tasks, **content)


def _task(values: dict[str, Any]) -> TaskPlan:
    looks_runs = values["looks_runs"] and LooksTaken(**values["looks_runs"])
    return TaskPlan(**{**values, "figures": tuple(values["figures"]), "looks_runs": looks_runs})
