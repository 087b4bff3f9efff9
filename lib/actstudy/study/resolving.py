"""From a validated study file to its tasks: each one's plan and all runs it may ask for."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actstudy.contract import registry
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import TaskPlan
from actstudy.contract.spec import RunSpec, data_name, layered
from actstudy.study import checks, data_checks, looks
from actstudy.study.config import (
    RunFields,
    StudyFile,
    TaskBlock,
    name_error,
    set_fields,
)
from actstudy.study.grid import PlannedRun, expand
from actstudy.study.seeding import Seeding, check_size
from actstudy.study.validation import validate

Axes = dict[str, list[dict[str, Any]]]  # axis -> its entries, mappings of run fields
SHORT_WARMUP = 0.1  # share of a run for which its task's own warm-up is too long
LIST_FIELDS = ("hidden", "betas")  # run fields whose value is a list, not an axis of values


@dataclass(frozen=True)
class ResolvedTask:
    """A task of a study, checked."""

    plan: TaskPlan
    reported: list[PlannedRun]  # that any outcome of looks and chosen rates may ask for
    tuning: list[PlannedRun]  # that only choose learning rates


def resolve(content: StudyFile, file: str, overrides: Mapping[str, Any]) -> dict[str, ResolvedTask]:
    """The tasks of a study; StudyError in one line if something does not go together.

    overrides: run fields of --config, a list of values being an axis.
    """
    crossed: dict[str, list[Any]] = {}
    single: dict[str, Any] = {}
    for name, value in overrides.items():
        if isinstance(value, list) and name not in LIST_FIELDS:
            crossed[name] = value
        else:
            single[name] = value
    fixed = set_fields(validate(RunFields, single, "--config"))
    check_size(content, crossed, fixed, file)
    return {task: _task(task, content, crossed, fixed, file) for task in content.tasks}


def _task(
    task: str,
    content: StudyFile,
    crossed: Mapping[str, list[Any]],
    fixed: dict[str, Any],
    file: str,
) -> ResolvedTask:
    where = f"{file}: tasks.{task}"
    if task not in registry.tasks():
        raise StudyError(f"{where}: {name_error('task', task)}")
    block = content.tasks[task] or TaskBlock()
    axes = _axes({**content.axes, **block.axes, **crossed}, fixed, f"{file}: axes")
    base = complete(task, [*layers(content, task), fixed], file)
    if not base.get("activation") and "activation" not in axes:
        raise StudyError(f"{where}: activation: missing; allowed: a name, or an axis of names")
    data_checks.check_is_named(base, axes, where)
    seeding = Seeding.of(content, block)
    seeding.check(content.compare, axes, where)
    planned = [
        dataclasses.replace(run, spec=checks.canonical_spec(run.spec))
        for run in expand(base, axes, seeding.seeds(), content.compare)
    ]
    if not sets_warmup([*layers(content, task), fixed, *itertools.chain(*axes.values())]):
        planned = [
            dataclasses.replace(run, spec=short_warmup(run.spec, _steps_per_epoch))
            for run in planned
        ]
    checks.check_runs(planned, content.compare, axes, seeding.rates, where)
    baseline = checks.baseline(block.baseline or content.baseline, content.compare, planned, where)
    plan = _task_plan(block, planned, axes, base, seeding, baseline)
    reported, tuning = looks.at_rates(planned, seeding.rates)
    return ResolvedTask(plan, reported, tuning)


def _axes(values: Mapping[str, list[Any]], fixed: Mapping[str, Any], where: str) -> Axes:
    """The axes that --config does not fix to one value."""
    axes = {}
    for axis, axis_values in values.items():
        if axis not in fixed:
            axes[axis] = checks.axis_entries(axis, axis_values, where)
    checks.check_axes(axes, fixed, where)
    return axes


def layers(content: StudyFile, task: str) -> list[dict[str, Any]]:
    """The run fields that a study sets for all tasks, and those that it sets for one."""
    return [set_fields(content.defaults), set_fields(content.tasks.get(task))]


def complete(task: str, stronger: list[dict[str, Any]], source: str) -> dict[str, Any]:
    """The task's defaults under stronger layers, as RunSpec takes them."""
    for layer in stronger:
        checks.check_rivals(layer, source)
    own = registry.task(task)["defaults"]
    defaults = set_fields(validate(RunFields, own, f"lib/actstudy/tasks/{task}.py: TASK: defaults"))
    return {"task": task, **_with_short_warmup(layered(defaults, *stronger), stronger)}


def _with_short_warmup(fields: dict[str, Any], stronger: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of a run; a warm-up of the task's own that is longer than the run is shortened."""
    epochs = fields.get("epochs")
    length = epochs or fields.get("steps")  # an epoch has at least a step
    if not length or fields.get("warmup", 0) <= length or sets_warmup(stronger):
        return fields
    return {**fields, "warmup": SHORT_WARMUP * epochs if epochs else 0.0}


def short_warmup(spec: RunSpec, steps_per_epoch: Callable[[RunSpec], int]) -> RunSpec:
    """The run; its task's own warm-up is shortened if it has fewer steps than that.

    steps_per_epoch: of a run, 0 if it is not known.
    """
    if not spec.steps or not spec.warmup:
        return spec
    epoch = steps_per_epoch(spec)
    if round(spec.warmup * epoch) <= spec.steps:
        return spec
    return dataclasses.replace(spec, warmup=SHORT_WARMUP * spec.steps / epoch)


def _steps_per_epoch(spec: RunSpec) -> int:
    return (registry.train_size(spec.dataset) or 0) // spec.batch_size


def sets_warmup(layers: list[dict[str, Any]]) -> bool:
    """Whether a layer over the task's defaults sets the warm-up."""
    return any("warmup" in layer for layer in layers)


def _task_plan(
    block: Any,
    planned: list[PlannedRun],
    axes: Axes,
    base: Mapping[str, Any],
    seeding: Seeding,
    baseline: str,
) -> TaskPlan:
    """What analysis needs to know of a task."""
    task = registry.task(planned[0].spec.task)
    specs = [run.spec for run in planned]
    names = list(dict.fromkeys(spec.dataset for spec in specs))
    data = [registry.dataset(name) for name in names]
    margin, margin_reason = _margin(block, task, names)
    crossed = [axis for axis, entries in axes.items() if len(entries) > 1]
    if seeding.rates:
        crossed.append("tune_lr")
    classes = {}
    if task["predicts"] == "classes":
        classes = {data_name(spec): registry.dataset(spec.dataset)["classes"] for spec in specs}
    return TaskPlan(
        title=f"{task['title']} on {' and '.join(dataset['title'] for dataset in data)}",
        metric=task["metric"],
        unit=task["unit"],
        higher_is_better=task["higher_is_better"],
        predicts=task["predicts"],
        x_axis=task["x_axis"],
        margin=margin,
        margin_reason=margin_reason,
        log_unit=task.get("log_unit"),
        classes=classes,
        targets=task["targets"] if block.targets is None else block.targets,
        baseline=baseline,
        recipe=_as_json(base),
        axes=_as_json({axis: _shortest(axis, entries) for axis, entries in axes.items()}),
        looks=seeding.looks,
        tune_lr=seeding.rates,
        figures=registry.task_figures(task["predicts"], crossed),
    )


def _margin(block: Any, task: Mapping[str, Any], datasets: list[str]) -> tuple[float, str]:
    """The smallest difference that matters in a task, and the reason for it."""
    if block.margin:
        return block.margin, "set by this study"
    home = task["defaults"].get("dataset")
    if home and datasets != [home]:
        return task["margin"], f"the task's own, chosen for {registry.dataset(home)['title']}"
    return task["margin"], task["margin_reason"]


def _shortest(axis: str, entries: list[dict[str, Any]]) -> list[Any]:
    """Entries as a study file may write them: the value alone if nothing else is set."""
    return [entry if len(entry) > 1 else entry[axis] for entry in entries]


def _as_json(value: Any) -> Any:
    """The value with lists for tuples, as JSON gives it back."""
    return json.loads(json.dumps(value))
