"""The runs of a study: the product of its axes, times the seeds."""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actstudy.contract import nets
from actstudy.contract.layers import layered
from actstudy.contract.plan import group_name
from actstudy.contract.spec import RunSpec, canonical, data_name, run_id
from actstudy.study import own_fields

NO_SEED = "\0"  # which no field of a run holds: names and paths cannot
TASKS_OWN = "built-in"  # level of the axis `model`: the task's own, if it has no name in studies
OWN = ("activation", "model", "dataset")  # run fields whose value may be someone's own


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study and its cell."""

    spec: RunSpec
    level: str  # the value of the compared axis, then whatever else its entry sets
    level_value: str  # the value of the compared axis alone
    places: dict[str, str]  # every other crossed axis -> the run's place on it

    @functools.cached_property
    def id(self) -> str:
        """The run's id, which names its folder."""
        return run_id(self.spec)

    @functools.cached_property
    def task(self) -> str:
        """The task's name on pages, in tables and in names of folders."""
        return self.spec.task_name

    @property
    def group(self) -> str:
        """The places in words; empty if no other axis is crossed."""
        return group_name(self.places)

    def row(self) -> dict[str, Any]:
        """A row of `Plan.runs`."""
        lines = [place for axis, place in self.places.items() if axis != "depth"]
        return {
            **self.cell(),
            "depth": self.spec.depth,
            "line": ", ".join(lines),
        }

    def tuning_row(self) -> dict[str, Any]:
        """A row of `Plan.tuning`."""
        return {**self.cell(), "lr": self.spec.lr}

    def cell(self) -> dict[str, Any]:
        """The run's id, its cell, its data and its seed."""
        return {
            "run_id": self.id,
            "task": self.task,
            "level": self.level,
            "level_value": self.level_value,
            "group": self.group,
            "places": json.dumps(self.places),
            "data": data_name(self.spec),
            "seed": self.spec.seed,
        }


def value_label(axis: str, value: Any, names: Mapping[str, str]) -> str:
    """An axis value as text in tables; names: of someone's own -> what is shown for it."""
    if axis == "activation" and not isinstance(value, str):
        return ",".join(f"{site}:{names.get(name, name)}" for site, name in value)
    if axis == "model" and value is None:
        return TASKS_OWN
    if axis in OWN:
        return names.get(value, value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={number:g}" for name, number in value.items())
    return str(value)


def label(axis: str, entry: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """An entry of an axis as text in tables: its value, then whatever else it sets."""
    text = value_label(axis, entry[axis], names)
    others = []
    for name, value in entry.items():
        if name == "loss_args" and value:
            others.append(value_label(name, value, names))
        elif name != axis:
            is_name = name in OWN and isinstance(value, str)
            others.append(f"{name}={names.get(value, value) if is_name else value}")
    return f"{text} ({', '.join(others)})" if others else text


def expand(
    base: Mapping[str, Any],
    axes: Mapping[str, Sequence[Mapping[str, Any]]],
    seed: int,
    compare: str,
    names: Mapping[str, str],
    stated: Mapping[str, Any],
) -> Iterator[PlannedRun]:
    """The runs of one task at a seed, one per cell.

    base: run fields shared by all; axes: axis name -> entries, each a mapping with at least the
    axis's own field; compare: the axis of the levels, whose value is in `base` if it is no axis;
    names: of someone's own -> what is shown for it; stated: those of `base` that are not the task's
    defaults, as a model other than the task's own takes them.
    """
    task = base["task"]
    base = _spelt_out({"model": None, **base}, task)
    axes = {axis: list(map(_spelt_out, axes[axis], itertools.repeat(task))) for axis in axes}
    models = _models(base, axes)
    crossed = [axis for axis in axes if axis != compare and len(axes[axis]) > 1]
    for combination in itertools.product(*axes.values()):
        entries = dict(zip(axes, combination, strict=True))
        places = {axis: label(axis, entries[axis], names) for axis in crossed}
        if compare in entries:
            level = label(compare, entries[compare], names)
            level_value = value_label(compare, entries[compare][compare], names)
        else:
            level = level_value = value_label(compare, base.get(compare), names)
        values = layered(base, *combination)
        if values["model"]:
            values = own_fields.fitted(values, stated, layered(*combination), models)
        spec = RunSpec(**{**_uniform(values), "seed": seed})
        yield PlannedRun(spec, level, level_value, places)


def at_seeds(cell: RunSpec, seeds: Iterable[int]) -> Iterator[RunSpec]:
    """The runs of a cell, with their ids, in a tenth of what `replace` and `run_id` take."""
    before, after = canonical(cell, {"seed": NO_SEED}).split(json.dumps(NO_SEED))
    fields = {name: value for name, value in vars(cell).items() if name != "_id"}
    for seed in seeds:
        run = object.__new__(RunSpec)
        vars(run).update(fields, seed=seed)
        run_id(run, f"{before}{seed}{after}")
        yield run


def of_cells(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """A run of each cell, of all runs of a task: asked for what holds whatever the seed is."""
    return [run for run in runs if run.spec.seed == runs[0].spec.seed]


def _spelt_out(values: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The fields with the task's own model by its name, if the task takes models by name."""
    fields = dict(values)
    if "model" in fields and fields["model"] is None and nets.names(task):
        fields["model"] = nets.of_task(task)
    return fields


def _models(
    base: Mapping[str, Any], axes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str | None]:
    """The models of a task's runs, None being the task's own."""
    entries = itertools.chain(*axes.values())
    crossed = [entry["model"] for entry in entries if "model" in entry]
    return crossed or [base.get("model")]


def _uniform(values: dict[str, Any]) -> dict[str, Any]:
    """The fields with the task's own model unnamed, and equal hidden widths as depth x width.

    So one network has one id.
    """
    if values["model"] == nets.of_task(values["task"]):
        values = {**values, "model": None}
    hidden = values.get("hidden")
    if hidden and len(set(hidden)) == 1:
        return {**values, "hidden": None, "depth": len(hidden), "width": hidden[0]}
    return values
