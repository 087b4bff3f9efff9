"""The plan of a study: all that planning hands to analysis."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RATE_AXIS = "lr"  # the axis of runs of tasks with `tune_lr`, whose places are fixed and tuned
RECIPE = "recipe"  # what a figure needs of a task that crosses one of RECIPE_AXES
TRIALS = "trials"  # likewise of one that crosses one of them or tunes its learning rate
RECIPE_AXES = (  # run fields by which the same model is trained otherwise on the same data
    "activation",  # of a study that compares something else
    "init",
    "init_args",
    "norm",
    "dropout",
    "dropout_kind",
    "drop_path",
    "augment",
    "loss",
    "loss_args",
    "optimizer",
    RATE_AXIS,
    "betas",
    "eps",
    "momentum",
    "nesterov",
    "rmsprop_alpha",
    "weight_decay",
    "clip",
    "schedule",
    "warmup",
    "epochs",
    "steps",
    "batch_size",
    "accumulate",
    "label_smoothing",
    "patience",
)
ANYTIME = "anytime"  # as `looks`: seeds come one by one and are looked at whenever
CHANCE_OF_VALUES = {"r2": 0.0, "loss": 1.0}  # the loss is that of standardised labels
# Of embeddings that are all equal: a tie is no find.
CHANCE_OF_PAIRS = dict.fromkeys(
    ("recall_at_1", "recall_at_5", "recall_at_1_back", "recall_at_5_back"), 0.0
)


@dataclass(frozen=True)
class LooksTaken:
    """How far a task with looks has come."""

    run: int  # seeds that are planned by now
    all: int  # seeds at most
    ended: bool  # no further look follows


@dataclass(frozen=True)
class TaskPlan:
    """One task of a study: what is compared, in which unit and with what margin."""

    title: str
    metric: str  # on the test split, at the best checkpoint on val
    unit: str  # of the metric
    higher_is_better: bool
    predicts: str  # classes, tokens, values or pairs
    x_axis: str  # of the learning curves
    margin: float  # smallest difference that matters, in `compared_unit`
    margin_reason: str
    log_unit: str | None  # unit of differences of the metric's logarithm, if these are compared
    classes: dict[str, int]  # prepared data -> its number of classes, if it predicts these
    targets: list[float]  # metric values whose steps and seconds are tabled
    baseline: str  # level that the others are compared with
    recipe: dict[str, Any]  # run fields that all runs share
    axes: dict[str, list[Any]]  # run field -> its crossed values
    looks: bool | str  # whether seeds are added until all is decided, or ANYTIME
    tune_lr: list[float] | None  # learning rates that val chooses from
    figures: tuple[str, ...]
    looks_runs: LooksTaken | None = None
    # prepared data of the user's own -> label, source and licence
    own_data: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def in_looks(self) -> bool:
        """Whether seeds are added look by look."""
        return self.looks is True

    @property
    def at_any_n(self) -> bool:
        """Whether verdicts hold at any number of seeds."""
        return self.looks == ANYTIME

    @property
    def sign(self) -> int:
        """1 if a higher metric is better, else -1."""
        return 1 if self.higher_is_better else -1

    def data_label(self, data: str) -> str:
        """What pages call prepared data: their name, of the user's own their label."""
        return self.own_data[data]["label"] if data in self.own_data else data

    def chance(self, data: str, metric: str | None = None) -> float:
        """The metric of a model that knows nothing of an example.

        It gives all classes of some data the same probability, as a value the mean of all, and to
        all views one embedding.
        metric: default the task's. NaN if it is not known, as of a task that predicts tokens.
        """
        name = metric or self.metric
        if self.predicts == "values":
            return CHANCE_OF_VALUES.get(name, math.nan)
        if self.predicts == "pairs":
            return CHANCE_OF_PAIRS.get(name, math.nan)
        if data not in self.classes:
            return math.nan
        classes = self.classes[data]
        values = {"accuracy": 1 / classes, "top5": min(1.0, 5 / classes), "loss": math.log(classes)}
        return values.get(name, math.nan)

    @property
    def chance_level(self) -> float:
        """`chance` if it is known and the same for all data of the task, else NaN."""
        levels = {self.chance(data) for data in self.classes or [""]}
        return levels.pop() if len(levels) == 1 else math.nan

    @property
    def compared_unit(self) -> str:
        """The unit of differences and of the margin."""
        return self.log_unit or self.unit


@dataclass(frozen=True)
class Plan:
    """A study's questions and its runs, in the study's order.

    Rows of `runs` and `tuning` have run_id, task, level, level_value, group, places, data and
    seed; those of `runs` also depth and line, those of `tuning` lr. `level_value` is the value of
    the compared axis as text, `level` that and whatever else it sets; `places` is JSON text of
    the crossed axes other than the compared one -> place, and `group` its `group_name`.
    """

    file: str
    study: str
    note: str | None
    compare: str  # the axis whose levels are compared
    family: str  # what the 5% of false verdicts are for: `task` or `study`
    claims: dict[str, Any] | None
    levels: list[str]
    tasks: dict[str, TaskPlan]
    runs: list[dict[str, Any]]  # a row per reported run
    tuning: list[dict[str, Any]]  # a row per run that only chooses a learning rate
    code: dict[str, str] = field(default_factory=dict)  # of the runs that is not as shipped
    overrides: list[str] = field(default_factory=list)  # KEY=VALUE of --config, of a try
    # Own activation -> the arguments other than its defaults of its runs, if any has some.
    arguments: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    ledger: dict[str, Any] | None = None  # claims of guides: folder, claims by id, file by group

    def to_json(self) -> str:
        """The plan as JSON text, without arguments of own activations and ledger if it has none."""
        content = dict(vars(self))  # `asdict` would copy each row
        content["tasks"] = {task: dataclasses.asdict(plan) for task, plan in self.tasks.items()}
        for key in ("arguments", "ledger"):
            if not content[key]:
                del content[key]
        return json.dumps(content)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the plan's JSON text, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that `to_json` wrote."""
        content = json.loads(text)
        tasks = {name: _task(values) for name, values in content.pop("tasks").items()}
        return cls(tasks=tasks, **content)


def _task(values: dict[str, Any]) -> TaskPlan:
    """The task of a plan's JSON; one of an earlier version lacks `looks_runs`, or `classes`."""
    values.pop("chance", None)
    progress = values.get("looks_runs")
    looks_runs = progress and LooksTaken(**progress)
    own = {"figures": tuple(values["figures"]), "looks_runs": looks_runs}
    return TaskPlan(**{"classes": {}, **values, **own})


def group_name(places: Mapping[str, str]) -> str:
    """The group of a cell in words: `depth=2, lr=fixed`. Places of arguments name themselves."""
    words = []
    for axis, place in places.items():
        words.append(place if axis.endswith("_args") else f"{axis}={place}")
    return ", ".join(words)


def without_rate(places: Mapping[str, str]) -> dict[str, str]:
    """The places of a cell other than its learning rate's: those of the runs that chose it."""
    return {axis: place for axis, place in places.items() if axis != RATE_AXIS}
