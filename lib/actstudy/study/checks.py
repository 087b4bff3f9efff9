"""What must hold between the fields of a study beyond each field's own bounds; every fault is one line."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RIVALS, RunSpec, data_name, run_id
from actstudy.study import model_checks, packs
from actstudy.study.config import Block, RunFields, StudyFile, TaskBlock, given, validated
from actstudy.study.grid import PlannedRun
from actstudy.study.looks import LOOKS, TUNING_SEEDS

RESERVED = (
    "runs",
    "data",
    "references",
    "tables",
    "figures",
    "partial",
    "plan",
    "replicate",
    "default",
)
MOST_RUNS = 10_000  # of a study: its plan takes seconds to make, a dry run a minute or two and half a gigabyte


def study_name(file: Path) -> str:
    """The study's name: the file's, and `default` for config.yaml."""
    if file.name == "config.yaml":
        return "default"
    where = f"{file}: the file's name names the study"
    if file.stem in RESERVED:
        raise StudyError(f"{where}: got {file.stem!r}; allowed: none of {', '.join(RESERVED)}")
    return errors.folder_name(file.stem, where)


def check_paths(spec: RunSpec, where: str) -> None:
    """StudyError where a spec that was given whole would put its folder or its data elsewhere than under their own."""
    for part in (str(spec.task), run_id(spec), data_name(spec)):
        errors.folder_name(part, where)


def entries(axis: str, values: list[Any], where: str) -> list[dict[str, Any]]:
    """Axis values as mappings of run fields, validated, aliases resolved, duplicates refused."""
    if axis not in RunFields.model_fields:
        extra = (
            "; seeds are set by the key `seeds`"
            if axis == "seed"
            else errors.nearest(axis, RunFields.model_fields)
        )
        raise StudyError(
            f"{where}.{axis}: unknown run field; allowed: {', '.join(RunFields.model_fields)}{extra}"
        )
    made: list[dict[str, Any]] = []
    seen: set[str] = set()
    for value in values:
        entry = value if isinstance(value, dict) and axis in value else {axis: value}
        made.append(given(validated(RunFields, entry, f"{where}.{axis}")))
        check_rivals(made[-1], f"{where}.{axis}")
        cell = json.dumps(made[-1], sort_keys=True)
        if cell in seen:
            raise StudyError(
                f"{where}.{axis}: {value!r} stands there twice; allowed: each cell once"
            )
        seen.add(cell)
    return made


def check_rivals(layer: Mapping[str, Any], where: str) -> None:
    """StudyError where one layer spells one thing twice, as steps and as epochs."""
    for name, rivals in RIVALS.items():
        for rival in rivals:
            if layer.get(name) is not None and layer.get(rival) is not None:
                raise StudyError(f"{where}: {name} and {rival} are both set; allowed: one of them")


def check_axes(
    axes: Mapping[str, list[dict[str, Any]]], fixed: Mapping[str, Any], where: str
) -> None:
    """StudyError where two axes, or an axis and --config, set one field: a cell would not be what its label says."""
    owners = {field: "--config" for name in fixed for field in (name, *RIVALS.get(name, ()))}
    for axis, values in axes.items():
        mine = sorted({name for entry in values for name in entry})
        for name in mine:
            if name in owners:
                raise StudyError(
                    f"{where}.{axis}: sets {name}, which {owners[name]} sets too; allowed: one of them"
                )
        owners |= {
            field: f"axis {axis}" for name in mine for field in (name, *RIVALS.get(name, ()))
        }


def check_grid(
    planned: list[PlannedRun], compare: str, axes: Mapping[str, Any], where: str
) -> None:
    """StudyError where the compared axis is none, or where a cell stands twice."""
    if compare not in axes and compare != "activation":
        near = errors.nearest(compare, axes)
        raise StudyError(
            f"{where}: compare: got {compare!r}; allowed: an axis: {', '.join(axes) or 'none is set'}{near}"
        )
    seen: set[str] = set()
    for run in planned:
        if run.id in seen:
            raise StudyError(
                f"{where}: {run.level} {run.group} seed {run.spec.seed} stands twice; allowed: each cell once"
            )
        seen.add(run.id)


def check_size(
    content: StudyFile, crossed: Mapping[str, list[Any]], fixed: Mapping[str, Any], file: str
) -> None:
    """StudyError where a study asks for more runs than MOST_RUNS, which are counted before one is made."""
    total = 0
    for block in content.tasks.values():
        axes = {**content.axes, **(block.axes if block else {}), **crossed}
        looks, rates, seeds = _asked(content, block or TaskBlock())
        each = LOOKS[-1] if looks else len(seeds) if isinstance(seeds, list) else seeds or 1
        tried = len(rates or ())
        each += tried * (each + len(TUNING_SEEDS))
        total += each * math.prod(len(values) for axis, values in axes.items() if axis not in fixed)
    if total > MOST_RUNS:
        raise StudyError(
            f"{file}: axes: got {total:,} runs, seeds among them; allowed: at most {MOST_RUNS:,}"
        )


def _asked(content: StudyFile, block: Block) -> tuple[bool, list[float] | None, int | list[int]]:
    """A task's looks, rates to choose from and seeds, its own before the study's."""
    looks, rates = (
        getattr(block if key in block.model_fields_set else content, key)
        for key in ("looks", "tune_lr")
    )
    return bool(looks), rates, (block.seeds if block.looks else block.seeds or content.seeds) or 0


def seeding(
    content: StudyFile, block: Block, axes: Mapping[str, list[dict[str, Any]]], where: str
) -> tuple[dict[str, Any], list[int]]:
    """A task's `looks` and `tune_lr`, and all seeds that it may ask for; StudyError where they do not go together."""
    looks, rates, seeds = _asked(content, block)
    if looks and seeds:
        takes = " and ".join([", ".join(map(str, LOOKS[:-1])), str(LOOKS[-1])])
        raise StudyError(
            f"{where}: seeds: set beside looks, which take {takes} seeds; allowed: one of the two"
        )
    owner = next(
        (axis for axis, values in axes.items() if any("lr" in entry for entry in values)), None
    )
    if rates and content.compare == "lr":
        raise StudyError(
            f"{where}: compare: got 'lr' beside tune_lr, which chooses it; allowed: another axis"
        )
    if rates and owner:
        raise StudyError(
            f"{where}: tune_lr: chooses lr, which axis {owner} sets too; allowed: one of them"
        )
    seeds = LOOKS[-1] if looks else seeds or 1
    return {"looks": looks, "tune_lr": rates}, list(range(seeds)) if isinstance(
        seeds, int
    ) else seeds


def check_rates(planned: list[PlannedRun], rates: list[float] | None, where: str) -> None:
    """StudyError where runs that choose a learning rate would be reported, or be filled into packs."""
    for run in planned if rates else ():
        if run.spec.seed in TUNING_SEEDS:
            chosen = ", ".join(map(str, TUNING_SEEDS))
            raise StudyError(
                f"{where}: seeds: got {run.spec.seed}; allowed beside tune_lr: not {chosen}, its own"
            )
        if run.spec.engine == "pack":
            because = "as which runs fill a pack would depend on the rates that are chosen"
            raise StudyError(
                f"{where}: engine: got 'pack' with tune_lr; allowed there: eager, compiled, {because}"
            )


def baseline(wanted: str | None, compare: str, planned: list[PlannedRun], where: str) -> str:
    """The level that the others are compared with; StudyError where the one that is wanted is none."""
    levels = list(dict.fromkeys(run.level for run in planned))
    wanted = wanted or ("relu" if "relu" in levels else levels[0])
    if compare == "activation":
        wanted = registry.literal("nets/activations.py", "ALIASES").get(wanted, wanted)
    matching = [level for level in levels if level == wanted] or [
        n for n in levels if n.startswith(f"{wanted} (")
    ]
    if len(matching) != 1:
        near = errors.nearest(wanted, levels)
        raise StudyError(f"{where}: baseline: got {wanted!r}; allowed: {', '.join(levels)}{near}")
    return matching[0]


def canonical_spec(spec: RunSpec) -> RunSpec:
    """The same run with its data version filled in and arguments that equal their defaults left out: one id a run."""
    args = spec.activation_args
    if isinstance(spec.activation, str):
        own = registry.activations()[spec.activation]
        args = {name: value for name, value in args.items() if own.get(name) != value}
    init = {
        n: v for n, v in spec.init_args.items() if registry.init_policies()[spec.init].get(n) != v
    }
    version = registry.dataset(spec.dataset)["version"]
    return dataclasses.replace(spec, activation_args=args, init_args=init, data_version=version)


def check_spec(spec: RunSpec, where: str) -> None:
    """StudyError where fields that are each allowed do not go together."""
    takes, kind = registry.task(spec.task)["takes"], registry.dataset(spec.dataset)["kind"]
    if kind not in takes:
        allowed = f"a data set of {' or '.join(takes)}"
        raise StudyError(
            f"{where}: dataset: got {spec.dataset!r}, which holds {kind}; allowed: {allowed}"
        )
    if spec.epochs is None and spec.steps is None:
        raise StudyError(f"{where}: epochs: missing; allowed: epochs or steps, at least 1")
    if spec.epochs and spec.warmup > spec.epochs:
        raise StudyError(
            f"{where}: warmup: got {spec.warmup}; allowed: at most the run's length, {spec.epochs}"
        )
    if spec.steps and spec.warmup > spec.steps:  # an epoch has at least a step
        raise StudyError(
            f"{where}: warmup: got {spec.warmup} epochs; allowed: at most the run's {spec.steps} steps"
        )
    if spec.batch_size % spec.accumulate:
        raise StudyError(
            f"{where}: accumulate: got {spec.accumulate}; allowed: a divisor of batch_size {spec.batch_size}"
        )
    model_checks.check(spec, where)
    packs.check(spec, where)
