"""From a study file to its runs: layers of settings, axes, checks that need more than one field."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.study import registry
from actstudy.study.config import RunFields, StudyFile, TaskBlock, coerced, name_error, read, validated
from actstudy.study.registry import StudyError
from actstudy.study.spec import DEFAULTS, PlannedRun, RunSpec, expand, layered

MODEL_FIELDS = ("hidden", "depth", "width", "stem", "heads", "norm")


@dataclasses.dataclass(frozen=True)
class Study:
    """A study file, resolved: its settings and every run it asks for."""

    file: str
    name: str
    note: str | None
    device: str
    probe_every: int
    compare: str
    tasks: dict[str, dict[str, Any]]  # task -> metric, targets, margin, baseline, ...
    runs: list[PlannedRun]

    @property
    def folder(self) -> str:
        return "results" if self.name == "default" else f"results/{self.name}"

    def plan(self) -> str:
        """What the tables need of the study, as canonical JSON."""
        runs = [
            {"run_id": r.id, "task": r.spec.task, "level": r.level, "group": r.group, "seed": r.spec.seed}
            for r in self.runs
        ]
        levels = list(dict.fromkeys(run.level for run in self.runs))
        plan: dict[str, Any] = {
            "file": self.file,
            "study": self.name,
            "note": self.note,
            "compare": self.compare,
            "levels": levels,
        }
        plan |= {"tasks": self.tasks, "runs": runs}
        return json.dumps(plan, sort_keys=True)


def load(file: str | Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study in a file, with `--config KEY=VALUE` pairs on top; StudyError in one line where either is wrong."""
    raw = read(Path(file))
    values = {key: coerced(value) for key, value in (overrides or {}).items()}
    fields = {key: value for key, value in values.items() if key in RunFields.model_fields}
    for key, value in values.items():
        if key == "tasks":
            blocks = raw.get("tasks")
            known = blocks if isinstance(blocks, dict) else {}
            raw["tasks"] = {name: known.get(name) for name in (value if isinstance(value, list) else [value])}
        elif key in StudyFile.model_fields:
            raw[key] = value
        elif key not in fields:
            names = [*StudyFile.model_fields, *RunFields.model_fields]
            raise StudyError(f"--config: {key}: unknown key; allowed: {', '.join(names)}{registry.nearest(key, names)}")
    content = validated(StudyFile, raw, str(file))
    return _resolve(content, str(file), fields)


def run_spec(task: str, seed: int, fields: Mapping[str, Any], file: str | None = None) -> RunSpec:
    """One run by hand: task defaults < the study file's layers, if one is named < `fields` (the command line)."""
    flags = validated(RunFields, dict(fields), "command line").model_dump(exclude_unset=True)
    if "activation" not in flags:
        raise StudyError("command line: activation: missing; allowed: " + ", ".join(registry.activations()))
    if task not in registry.tasks():
        raise StudyError(f"command line: task: got {task!r}; {name_error('task', task)}")
    content = validated(StudyFile, read(Path(file)) if file else {"tasks": {task: None}}, file or "command line")
    layers = [*_layers(content, task), flags]
    (run,) = expand(_complete(task, layers, "command line"), {}, [seed], "activation")
    _check(run.spec, "command line")
    return run.spec


def _resolve(content: StudyFile, file: str, overrides: Mapping[str, Any]) -> Study:
    crossed = {
        name: value for name, value in overrides.items() if isinstance(value, list) and name not in ("hidden", "betas")
    }
    single = {name: value for name, value in overrides.items() if name not in crossed}
    fixed = validated(RunFields, single, "--config").model_dump(exclude_unset=True)
    tasks, runs = {}, []
    for task, block in content.tasks.items():
        key = f"tasks.{task}"
        if task not in registry.tasks():
            raise StudyError(f"{file}: {key}: {name_error('task', task)}")
        block = block or TaskBlock()
        raw_axes = {**content.axes, **block.axes, **crossed}
        axes = {name: _entries(name, values, f"{file}: axes") for name, values in raw_axes.items() if name not in fixed}
        base = _complete(task, [*_layers(content, task), fixed], file, axes)
        seeds = block.seeds or content.seeds or 1
        seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
        planned = expand(base, axes, seeds, content.compare)
        _check_grid(planned, content.compare, axes, base, f"{file}: {key}")
        for run in planned:
            _check(run.spec, f"{file}: {key}")
        tasks[task] = _task_settings(task, block, content, planned, f"{file}: {key}") | {"recipe": base}
        runs += planned
    return Study(file, content.study, content.note, content.device, content.probe_every, content.compare, tasks, runs)


def _layers(content: StudyFile, task: str) -> list[dict[str, Any]]:
    defaults = content.defaults.model_dump(exclude_unset=True) if content.defaults else {}
    block = content.tasks.get(task) or TaskBlock()
    own = block.model_dump(exclude_unset=True)
    return [defaults, {name: value for name, value in own.items() if name in RunFields.model_fields}]


def _complete(
    task: str, layers: list[dict[str, Any]], source: str, axes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The task's defaults under the layers, with task and data version filled in, as RunSpec takes them."""
    for layer in layers:
        for one, other in (("epochs", "steps"), ("hidden", "depth"), ("hidden", "width")):
            if layer.get(one) is not None and layer.get(other) is not None:
                raise StudyError(f"{source}: {one} and {other} are both set; allowed: one of them")
    defaults = validated(RunFields, registry.task(task)["defaults"], f"tasks/{task}.py").model_dump(exclude_unset=True)
    base = layered(defaults, *layers)
    version = registry.dataset(base["dataset"])["version"]
    if not base.get("activation") and "activation" not in (axes or {}):
        raise StudyError(f"{source}: activation: missing; allowed: a name, or an axis of names")
    return {"task": task, "data_version": version, **base}


def _entries(axis: str, values: list[Any], where: str) -> list[dict[str, Any]]:
    """Axis values as mappings of run fields, validated, aliases resolved, duplicates refused."""
    if axis not in RunFields.model_fields:
        extra = (
            "; seeds are set by the key `seeds`" if axis == "seed" else registry.nearest(axis, RunFields.model_fields)
        )
        raise StudyError(f"{where}.{axis}: unknown run field; allowed: {', '.join(RunFields.model_fields)}{extra}")
    made: list[dict[str, Any]] = []
    for value in values:
        entry = value if isinstance(value, dict) and axis in value else {axis: value}
        made.append(validated(RunFields, entry, f"{where}.{axis}").model_dump(exclude_unset=True))
        if made[-1] in made[:-1]:
            raise StudyError(f"{where}.{axis}: {value!r} stands there twice; allowed: each cell once")
    return made


def _check_grid(
    planned: list[PlannedRun], compare: str, axes: Mapping[str, Any], base: Mapping[str, Any], where: str
) -> None:
    if compare not in axes and compare not in base:
        raise StudyError(f"{where}: compare: got {compare!r}; allowed: an axis{registry.nearest(compare, axes)}")
    ids = [run.id for run in planned]
    if len(set(ids)) < len(ids):
        twice = next(run for run in planned if ids.count(run.id) > 1)
        raise StudyError(
            f"{where}: {twice.level} {twice.group} seed {twice.spec.seed} stands twice; allowed: each cell once"
        )


def _check(spec: RunSpec, where: str) -> None:
    """StudyError where fields that are each allowed do not go together."""
    names = [spec.activation] if isinstance(spec.activation, str) else list(spec.activation.values())
    arguments = {argument for name in names for argument in registry.activations()[name]}
    pairs = [
        ("activation_args", spec.activation_args, arguments),
        ("init_args", spec.init_args, registry.init_policies()[spec.init]),
    ]
    for key, got, allowed in pairs:
        for name in got:
            if name not in allowed:
                near = registry.nearest(name, allowed)
                raise StudyError(f"{where}: {key}: got {name!r}; allowed: {', '.join(sorted(allowed)) or 'none'}{near}")
    takes, kind = registry.task(spec.task)["takes"], registry.dataset(spec.dataset)["kind"]
    if kind != takes:
        raise StudyError(f"{where}: dataset: got {spec.dataset!r}, which holds {kind}; allowed: a data set of {takes}")
    length = spec.epochs or spec.steps
    if length is None:
        raise StudyError(f"{where}: epochs: missing; allowed: epochs or steps, at least 1")
    if spec.warmup > length:
        raise StudyError(f"{where}: warmup: got {spec.warmup}; allowed: at most the run's length, {length}")
    if spec.batch_size % spec.accumulate:
        raise StudyError(
            f"{where}: accumulate: got {spec.accumulate}; allowed: a divisor of batch_size {spec.batch_size}"
        )
    uses = registry.task(spec.task)["model_fields"]
    for name in MODEL_FIELDS:
        if name not in uses and getattr(spec, name) != DEFAULTS[name]:
            raise StudyError(
                f"{where}: {name}: set, but task {spec.task} has no use for it; allowed: {', '.join(uses)}"
            )
    if "hidden" in uses and spec.hidden is None and (spec.depth is None or spec.width is None):
        raise StudyError(f"{where}: hidden: missing; allowed: a list of widths, or both depth and width")


def _task_settings(task: str, block: Any, content: StudyFile, planned: list[PlannedRun], where: str) -> dict[str, Any]:
    """What analysis needs to know of a task: its metric, targets, margin and baseline level."""
    own = registry.task(task)
    levels = list(dict.fromkeys(run.level for run in planned))
    wanted = block.baseline or content.baseline or ("relu" if "relu" in levels else levels[0])
    if content.compare == "activation" and wanted in registry.literal("nets/activations.py", "ALIASES"):
        wanted = registry.activation(wanted)
    matching = [level for level in levels if level == wanted or level.startswith(f"{wanted} (")]
    if len(matching) != 1:
        near = registry.nearest(wanted, levels)
        raise StudyError(f"{where}: baseline: got {wanted!r}; allowed: {', '.join(levels)}{near}")
    settings = {key: own[key] for key in ("title", "metric", "unit", "higher_is_better", "margin_reason")}
    targets = own["targets"] if block.targets is None else block.targets
    return settings | {"targets": targets, "margin": block.margin or own["margin"], "baseline": matching[0]}
