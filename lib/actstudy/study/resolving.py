"""From a validated study file to its tasks: each one's plan and all runs it may ask for."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actstudy.contract import own, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.layers import layered
from actstudy.contract.plan import RECIPE, RECIPE_AXES, TRIALS, TaskPlan
from actstudy.contract.spec import data_name, names_in
from actstudy.study import checks, data_checks, inspection, looks, own_fields
from actstudy.study.config import (
    RunFields,
    StudyFile,
    TaskBlock,
    set_fields,
)
from actstudy.study.grid import PlannedRun, at_seeds, expand, of_cells
from actstudy.study.seeding import Seeding, check_size
from actstudy.study.validation import validate
from actstudy.study.warmup import (
    least_steps_per_epoch,
    sets_warmup,
    short_warmup,
    with_short_warmup,
)

Axes = dict[str, list[dict[str, Any]]]  # axis -> its entries, mappings of run fields
LIST_FIELDS = ("hidden", "betas")  # run fields whose value is a list, not an axis of values


@dataclass(frozen=True)
class ResolvedTask:
    """A task of a study, checked."""

    plan: TaskPlan
    reported: list[PlannedRun]  # that any outcome of looks and chosen rates may ask for
    tuning: list[PlannedRun]  # that only choose learning rates


@dataclass(frozen=True)
class _Draft:
    """A task of a study whose runs are not planned yet."""

    task: str
    where: str  # its place in the study file
    block: Any
    axes: Axes
    base: dict[str, Any]  # run fields that all runs share
    seeding: Seeding
    stated: dict[str, Any]  # those of `base` that the study sets
    keeps_warmup: bool  # as it is set by the study

    def set_by_entries(self) -> list[dict[str, Any]]:
        """Run fields that all runs share, and those of each entry of an axis."""
        base = {name: value for name, value in self.base.items() if name not in self.axes}
        return [base, *itertools.chain(*self.axes.values())]


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
    checks.check_task_names(content.tasks, file)
    drafts = [_draft(task, content, crossed, fixed, file) for task in content.tasks]
    entries = itertools.chain(*(draft.set_by_entries() for draft in drafts))
    names = own_fields.labels(entries)
    planned = [_planned(draft, content.compare, names) for draft in drafts]
    firsts = itertools.chain(*map(of_cells, planned))
    inspection.inspect([run.spec for run in firsts], file)
    resolved = {}
    for draft, runs in zip(drafts, planned, strict=True):
        resolved[own.short(draft.task)] = _resolved(draft, runs, content, names)
    return resolved


def _draft(
    task: str,
    content: StudyFile,
    crossed: Mapping[str, list[Any]],
    fixed: dict[str, Any],
    file: str,
) -> _Draft:
    where = f"{file}: tasks.{task}"
    block = content.tasks[task] or TaskBlock()
    axes = _axes({**content.axes, **block.axes, **crossed}, fixed, f"{file}: axes")
    checks.check_compared(content.compare, axes, fixed, where)
    stronger = [*layers(content, task), fixed]
    base = complete(task, stronger, file)
    if not (base.get("activation") or _has_activation(axes, content.compare)):
        raise StudyError(f"{where}: activation: missing; allowed: a name, or an axis of names")
    data_checks.check_is_named(base, axes, where)
    seeding = Seeding.of(content, block)
    seeding.check(content.compare, axes, where)
    keeps_warmup = sets_warmup([*stronger, *itertools.chain(*axes.values())])
    stated = layered(*stronger)
    return _Draft(task, where, block, axes, base, seeding, stated, keeps_warmup)


def _has_activation(axes: Axes, compare: str) -> bool:
    """Whether every cell gets an activation from an axis: its own, or one whose entries all set it.

    If activations are compared, from their own axis alone.
    """
    if "activation" in axes or compare == "activation":
        return "activation" in axes
    always = [set.intersection(*map(set, entries)) for entries in axes.values()]
    return any("activation" in names for names in always)


def _planned(draft: _Draft, compare: str, names: Mapping[str, str]) -> list[PlannedRun]:
    """All runs of a task; names: activation or model -> what is shown for it."""
    planned = []
    seeds = draft.seeding.seeds()
    for run in expand(draft.base, draft.axes, seeds[0], compare, names, draft.stated):
        cell = checks.canonical_spec(run.spec)
        if not draft.keeps_warmup:
            cell = short_warmup(cell, least_steps_per_epoch)
        for spec in at_seeds(cell, seeds):
            planned.append(PlannedRun(spec, run.level, run.level_value, run.places))
    return planned


def _resolved(
    draft: _Draft, planned: list[PlannedRun], content: StudyFile, names: Mapping[str, str]
) -> ResolvedTask:
    """A task whose runs are checked; StudyError if one cannot be trained."""
    rates = draft.seeding.rates
    checks.check_runs(planned, content.compare, draft.axes, rates, draft.where)
    stated = draft.block.baseline or content.baseline
    stated = names.get(stated, stated) if stated else None
    baseline = checks.baseline(stated, content.compare, planned, draft.where)
    plan = _task_plan(draft, planned, names, baseline)
    reported, tuning = looks.at_rates(planned, rates)
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
    declared = registry.task(task)["defaults"]
    defaults = set_fields(validate(RunFields, declared, f"{_file_of(task)}: TASK: defaults"))
    return {"task": task, **with_short_warmup(layered(defaults, *stronger), stronger)}


def _file_of(task: str) -> str:
    """The file of a task, as messages name it."""
    return str(own.find(task).file) if own.is_path(task) else f"lib/actstudy/tasks/{task}.py"


def _task_plan(
    draft: _Draft, planned: list[PlannedRun], names: Mapping[str, str], baseline: str
) -> TaskPlan:
    """What analysis needs to know of a task."""
    block = draft.block
    seeding = draft.seeding
    task = registry.task(planned[0].spec.task)
    specs = [run.spec for run in of_cells(planned)]
    datasets = list(dict.fromkeys(spec.dataset for spec in specs))
    margin, margin_reason = _margin(block, task, datasets)
    crossed = [axis for axis, entries in draft.axes.items() if len(entries) > 1]
    if seeding.rates:
        crossed.append("tune_lr")
    if seeding.rates or any(axis in RECIPE_AXES for axis in planned[0].places):
        crossed += [RECIPE, TRIALS]
    learnt = set(registry.literal("nets/activations.py", "LEARNT"))
    if any(learnt.intersection(names_in(spec.activation)) for spec in specs):
        crossed.append("learnt")
    classes = {}
    if task["predicts"] == "classes":
        classes = {data_name(spec): registry.dataset(spec.dataset)["classes"] for spec in specs}
    return TaskPlan(
        title=own_fields.title(task["title"], specs, own_fields.data_titles(specs, names)),
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
        recipe=_with_labels(own_fields.recipe(draft.base, specs), names),
        axes={axis: _shortest(axis, entries, names) for axis, entries in draft.axes.items()},
        looks=seeding.looks,
        tune_lr=seeding.rates,
        figures=registry.task_figures(task["predicts"], crossed),
        own_data=own_fields.data(specs, names),
    )


def _margin(block: Any, task: Mapping[str, Any], datasets: list[str]) -> tuple[float, str]:
    """The smallest difference that matters in a task, and the reason for it."""
    if block.margin:
        return block.margin, "set by this study"
    home = task["defaults"].get("dataset")
    if home and datasets != [home]:
        return task["margin"], f"the task's own, chosen for {registry.dataset(home)['title']}"
    return task["margin"], task["margin_reason"]


def _shortest(
    axis: str, entries: list[dict[str, Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Entries as a study file may write them: the value alone if nothing else is set."""
    labelled = [_with_labels(entry, names) for entry in entries]
    return [entry if len(entry) > 1 else entry[axis] for entry in labelled]


def _with_labels(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Run fields with lists for tuples, as JSON gives them back, and own data by their label."""
    content: dict[str, Any] = json.loads(json.dumps(fields))
    if "dataset" in content:
        content["dataset"] = names.get(content["dataset"], content["dataset"])
    return content
