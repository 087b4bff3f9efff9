"""What must hold between the fields of a study; every fault is one line."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import code, errors, losses, own, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.layers import RIVALS
from actstudy.contract.recipes import recipe_of
from actstudy.contract.spec import RunSpec, data_name, run_id
from actstudy.study import (
    contrastive_checks,
    data_checks,
    framework_checks,
    inspection,
    model_checks,
    model_questions,
    packs,
    warmup,
)
from actstudy.study.config import RunFields, name_error, set_fields
from actstudy.study.grid import PlannedRun, of_cells
from actstudy.study.looks import TUNING_SEEDS
from actstudy.study.validation import validate

RESERVED = (
    "collected",
    "runs",
    "data",
    "references",
    "tables",
    "figures",
    "partial",
    "plan",
    "curves",
    "replicate",
    "default",
    "summary.md",
    "details.md",
    "boundaries.parquet",
    "own",
    "certificates",
)


def study_name(file: Path) -> str:
    """The study's name: that of the file, and `default` for config.yaml."""
    if file.name == "config.yaml":
        return "default"
    where = f"{file}: the file's name names the study"
    if file.stem.lower() in RESERVED:  # some disks do not tell cases apart
        allowed = f"none of {', '.join(RESERVED)}; to fix: rename the file"
        raise StudyError(f"{where}: got {file.stem!r}; allowed: {allowed}")
    return errors.check_folder_name(file.stem, where)


def check_task_names(tasks: Iterable[str], file: str) -> None:
    """StudyError if a task is unknown, or two would have one name in folders and on pages."""
    task_by_name: dict[str, str] = {}
    for task in tasks:
        where = f"{file}: tasks.{task}"
        if fault := name_error("task", task):
            raise StudyError(f"{where}: {fault}")
        name = own.short(task)
        other = task_by_name.setdefault(name, task)
        if name != task and name in registry.tasks():
            other = f"lib/actstudy/tasks/{name}.py"
        if other != task:
            fault = f"its name {name!r} is that of {other} too"
            raise StudyError(f"{where}: {fault}; allowed: another name of its module")


def check_paths(spec: RunSpec, where: str) -> None:
    """StudyError if a spec passed as JSON would escape its results or data folder."""
    for part in (spec.task_name, run_id(spec), data_name(spec)):
        errors.check_folder_name(part, where)


def axis_entries(axis: str, values: list[Any], where: str) -> list[dict[str, Any]]:
    """Axis values as validated mappings of run fields, aliases resolved, each once."""
    where = f"{where}.{axis}"
    if axis not in RunFields.model_fields:
        allowed = errors.choices(axis, RunFields.model_fields)
        if axis == "seed":
            allowed = "seeds are set by the key `seeds`"
        raise StudyError(f"{where}: unknown run field; {allowed}")
    entries: dict[str, dict[str, Any]] = {}
    for value in values:
        fields = value if isinstance(value, dict) and axis in value else {axis: value}
        entry = set_fields(validate(RunFields, fields, where))
        check_rivals(entry, where)
        cell = json.dumps(entry, sort_keys=True)
        if cell in entries:
            raise StudyError(f"{where}: {value!r} is listed twice; allowed: each cell once")
        entries[cell] = entry
    return list(entries.values())


def check_rivals(layer: Mapping[str, Any], where: str) -> None:
    """StudyError if one layer spells one thing twice, as steps and as epochs."""
    for name, rivals in RIVALS.items():
        for rival in rivals:
            if layer.get(name) is not None and layer.get(rival) is not None:
                raise StudyError(f"{where}: {name} and {rival} are both set; allowed: one of them")


def check_axes(
    axes: Mapping[str, list[dict[str, Any]]], fixed: Mapping[str, Any], where: str
) -> None:
    """StudyError if two axes, or an axis and --config, set one field.

    A cell would not be what its label says.
    """
    owners = dict.fromkeys(_with_rivals(fixed), "--config")
    for axis, entries in axes.items():
        names = sorted({name for entry in entries for name in entry})
        for name in names:
            if name in owners:
                fault = f"sets {name}, which {owners[name]} sets too; allowed: one of them"
                raise StudyError(f"{where}.{axis}: {fault}")
        owners.update(dict.fromkeys(_with_rivals(names), f"axis {axis}"))


def _with_rivals(names: Iterable[str]) -> list[str]:
    fields = []
    for name in names:
        fields += [name, *RIVALS.get(name, ())]
    return fields


def check_runs(
    planned: list[PlannedRun],
    compare: str,
    axes: Iterable[str],
    rates: list[float] | None,
    where: str,
) -> None:
    """StudyError if the planned runs of a task cannot be trained or told apart.

    compare: the compared axis, which must be one of `axes`; rates: those that val chooses from.
    """
    _check_grid(planned, compare, list(axes), where)
    for run in of_cells(planned):
        check_spec(run.spec, where)
    if rates:
        _check_rates(planned, where)


def _check_grid(planned: list[PlannedRun], compare: str, axes: list[str], where: str) -> None:
    if compare not in axes and compare != "activation":
        allowed = f"{errors.nearest(compare, axes)}allowed: an axis: "
        allowed += ", ".join(axes) or "none is set"
        raise StudyError(f"{where}: compare: got {compare!r}; {allowed}")
    ids: set[str] = set()
    for run in planned:
        if run.id in ids:
            cell = f"{run.level} {run.group} seed {run.spec.seed}"
            raise StudyError(f"{where}: {cell} is listed twice; allowed: each cell once")
        ids.add(run.id)


def check_compared(compare: str, axes: Iterable[str], fixed: Mapping[str, Any], where: str) -> None:
    """StudyError if --config fixes the compared field, so that there is nothing to compare."""
    if compare in fixed and compare not in axes and compare != "activation":
        allowed = ", ".join([f"{compare}=[A,B]", *(f"compare={axis}" for axis in axes)])
        fault = f"got {compare!r}, which --config fixes; allowed in --config: {allowed}"
        raise StudyError(f"{where}: compare: {fault}")


def _check_rates(planned: list[PlannedRun], where: str) -> None:
    """StudyError if runs that choose a learning rate would be reported, or filled into packs."""
    for run in planned:
        if run.spec.seed in TUNING_SEEDS:
            seeds = ", ".join(map(str, TUNING_SEEDS))
            got = f"got {run.spec.seed}; allowed beside tune_lr: not {seeds}, its own"
            raise StudyError(f"{where}: seeds: {got}")
        if run.spec.engine == "pack":
            reason = "as which runs fill a pack would depend on the rates that are chosen"
            got = f"got 'pack' with tune_lr; allowed there: eager, compiled, {reason}"
            raise StudyError(f"{where}: engine: {got}")


def baseline(stated: str | None, compare: str, planned: list[PlannedRun], where: str) -> str:
    """The level that the others are compared with; StudyError if the stated one is not a level.

    A level may be stated by its value alone if only one level has this value.
    """
    value_by_level = {run.level: run.level_value for run in planned}
    levels = list(value_by_level)
    name = stated or ("relu" if "relu" in levels else levels[0])
    if compare == "activation":
        name = registry.aliases().get(name, name)
    if name in levels:
        return name
    matching = [level for level, value in value_by_level.items() if value == name]
    if len(matching) != 1:
        hint = errors.choices(name, levels, errors.CLOSE)
        raise StudyError(f"{where}: baseline: got {name!r}; {hint}")
    return matching[0]


def canonical_spec(spec: RunSpec) -> RunSpec:
    """The run with the versions of its data, meaning and code, without arguments that are defaults.

    So that one run has one id.
    """
    activation_args = spec.activation_args
    if isinstance(spec.activation, str):
        defaults = registry.activation_arguments(spec.activation)
        activation_args = _other_than(defaults, activation_args)
    loss_args = spec.loss_args
    if spec.loss:
        loss_args = _other_than(losses.arguments(spec.loss), loss_args)
    whole = dataclasses.replace(
        framework_checks.spelt(spec),
        activation_args=activation_args,
        init_args=_other_than(registry.init_policies()[spec.init], spec.init_args),
        loss_args=loss_args,
        data_version=registry.dataset(spec.dataset)["version"],
        code=code.of_run(spec),
    )
    return dataclasses.replace(whole, recipe=recipe_of(whole))  # it depends on the code


def _other_than(defaults: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if defaults.get(name) != value}


def check_spec(spec: RunSpec, where: str) -> None:
    """StudyError if fields of a run, each allowed, do not go together."""
    data_checks.check(spec, where)
    contrastive_checks.check(spec, where)  # first: a batch of one has very long epochs
    if spec.epochs is None and spec.steps is None:
        raise StudyError(f"{where}: epochs: missing; allowed: epochs or steps, at least 1")
    warmup.check(spec, where)
    if spec.nesterov and (spec.optimizer != "sgd" or not spec.momentum):
        got = f"got True with optimizer {spec.optimizer} and momentum {spec.momentum:g}"
        raise StudyError(f"{where}: nesterov: {got}; allowed: with sgd and momentum above 0")
    if spec.batch_size % spec.accumulate:
        got = f"got {spec.accumulate}; allowed: a divisor of batch_size {spec.batch_size}"
        raise StudyError(f"{where}: accumulate: {got}")
    framework_checks.check(spec, where)
    model_checks.check(spec, where)
    for question in model_questions.questions(spec):
        sites = inspection.answer(question, where)["sites"]
        model_checks.check_patterns(spec, sites, where)
    packs.check(spec, where)
