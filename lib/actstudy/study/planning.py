"""From a study file to its runs: layers of settings, axes, seeds."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actstudy.contract import errors, registry
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import LooksTaken, Plan, TaskPlan
from actstudy.contract.spec import RunSpec, layered
from actstudy.study import checks, claims, looks
from actstudy.study.config import RunFields, StudyFile, TaskBlock, given, name_error, validated
from actstudy.study.grid import PlannedRun, expand
from actstudy.study.reading import coerced, read


@dataclasses.dataclass(frozen=True)
class Study:
    """A study file, resolved: its settings and every run it asks for."""

    file: str
    name: str
    note: str | None
    device: str
    slots_per_gpu: int
    probe_every: int
    timeout_minutes: float | None
    compare: str
    family: str
    claims: dict[str, Any] | None
    tasks: dict[str, TaskPlan]
    possible: list[PlannedRun]  # every run that any outcome of looks and chosen rates may ask for
    tuning: list[PlannedRun]  # runs that only choose learning rates

    @property
    def runs(self) -> list[PlannedRun]:
        """The reported runs that are wanted, given the decisions that stand on disk now."""
        return self.wanted({task: looks.seeds_asked(self.folder, task) for task in self.with_looks})

    @property
    def first(self) -> list[PlannedRun]:
        """The runs that are wanted whatever will be decided."""
        return self.tuning + looks.wanted(
            self.possible, dict.fromkeys(self.with_looks, looks.LOOKS[0]), {}
        )

    def wanted(self, asked: Mapping[str, int]) -> list[PlannedRun]:
        """The reported runs with `asked` seeds of the tasks that have looks, at the rates chosen by now."""
        chosen = {task: looks.rates(self.folder, task) for task in self.with_rates}
        return looks.wanted(self.possible, asked, chosen)

    @property
    def with_looks(self) -> list[str]:
        return [task for task, settings in self.tasks.items() if settings.looks]

    @property
    def with_rates(self) -> list[str]:
        return [task for task, settings in self.tasks.items() if settings.tune_lr]

    @property
    def stages(self) -> list[list[PlannedRun]]:
        """All runs, look by look."""
        mine = [(looks.stage(run, self.tasks[run.spec.task].looks), run) for run in self.possible]
        return [[run for at, run in mine if at == k] for k in range(len(looks.LOOKS))]

    @property
    def activations(self) -> list[str]:
        """Every activation of the study once, in its order."""
        choices = [run.spec.activation for run in self.possible]
        names = [
            [choice] if isinstance(choice, str) else [name for _, name in choice]
            for choice in choices
        ]
        return list(dict.fromkeys(name for part in names for name in part))

    @property
    def folder(self) -> str:
        return "results" if self.name == "default" else f"results/{self.name}"

    def question(self, task: str) -> str:
        """What a task's decisions depend on beside its runs, as JSON."""
        asked = (
            "metric",
            "higher_is_better",
            "log_unit",
            "chance",
            "margin",
            "baseline",
            "looks",
            "tune_lr",
        )
        settings = {key: getattr(self.tasks[task], key) for key in asked}
        return json.dumps(
            settings | {"compare": self.compare, "family": [self.family, len(self.tasks)]}
        )

    def plan(self, asked: Mapping[str, int] | None = None) -> Plan:
        """What the tables need of the study; asked: seeds of tasks with looks, instead of those by now."""
        by_now = {task: looks.seeds_asked(self.folder, task) for task in self.with_looks}
        asked = {**by_now, **(asked or {})}
        tasks = dict(self.tasks)
        for task, n in asked.items():
            taken = LooksTaken(n, looks.LOOKS[-1], looks.ended(self.folder, task))
            tasks[task] = dataclasses.replace(tasks[task], looks_runs=taken)
        return Plan(
            file=self.file,
            study=self.name,
            note=self.note,
            compare=self.compare,
            family=self.family,
            claims=self.claims,
            levels=list(dict.fromkeys(run.level for run in self.possible)),
            tasks=tasks,
            runs=[run.row() for run in self.wanted(asked)],
            tuning=[{**run.cell(), "lr": run.spec.lr} for run in self.tuning],
        )


def load(file: str | Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study in a file, with `--config KEY=VALUE` pairs on top; StudyError in one line where either is wrong."""
    raw, name = read(Path(file)), checks.study_name(Path(file))
    values = {key: coerced(value, f"--config: {key}") for key, value in (overrides or {}).items()}
    fields = {key: value for key, value in values.items() if key in RunFields.model_fields}
    blocks = raw.get("tasks") if isinstance(raw.get("tasks"), dict) else {}
    for key, value in values.items():
        if key == "tasks":
            asked = map(str, value if isinstance(value, list) else [value])
            raw["tasks"] = {task: (blocks or {}).get(task) for task in asked}
        elif key in StudyFile.model_fields and key != "defaults":
            raw[key] = value
            for block in (blocks or {}).values():  # stronger than what a task's block says
                if isinstance(block, dict):
                    block.pop(key, None)
        elif key not in fields:
            names = [
                n for n in [*StudyFile.model_fields, *RunFields.model_fields] if n != "defaults"
            ]
            raise StudyError(
                f"--config: {key}: unknown key; allowed: {', '.join(names)}{errors.nearest(key, names)}"
            )
    return _resolve(validated(StudyFile, raw, str(file)), str(file), name, fields)


def run_spec(task: str, seed: int, fields: Mapping[str, Any], file: str | None = None) -> RunSpec:
    """One run by hand: task defaults < the study file's layers, if one is named < `fields` (the command line)."""
    here = "command line"
    flags = given(validated(RunFields, dict(fields), here))
    if task not in registry.tasks():
        raise StudyError(f"{here}: task: got {task!r}; {name_error('task', task)}")
    if not 0 <= seed < 2**63:
        raise StudyError(f"{here}: seed: got {seed}; allowed: at least 0 and below 2**63")
    content = validated(
        StudyFile, read(Path(file)) if file else {"tasks": {task: None}}, file or here
    )
    base = _complete(task, [*_layers(content, task), flags], here)
    if not base.get("activation"):
        raise StudyError(
            f"{here}: activation: missing; allowed: {', '.join(registry.activations())}"
        )
    (run,) = expand(base, {}, [seed], "activation")
    spec = checks.canonical_spec(run.spec)
    checks.check_spec(spec, here)
    return spec


def _resolve(content: StudyFile, file: str, name: str, overrides: Mapping[str, Any]) -> Study:
    crossed = {
        n: v for n, v in overrides.items() if isinstance(v, list) and n not in ("hidden", "betas")
    }
    single = {n: v for n, v in overrides.items() if n not in crossed}
    fixed = given(validated(RunFields, single, "--config"))
    checks.check_size(content, crossed, fixed, file)
    tasks: dict[str, TaskPlan] = {}
    possible, tuning = list[PlannedRun](), list[PlannedRun]()
    for task, block in content.tasks.items():
        where = f"{file}: tasks.{task}"
        if task not in registry.tasks():
            raise StudyError(f"{where}: {name_error('task', task)}")
        block = block or TaskBlock()
        raw_axes = {**content.axes, **block.axes, **crossed}
        axes = {
            n: checks.entries(n, v, f"{file}: axes") for n, v in raw_axes.items() if n not in fixed
        }
        checks.check_axes(axes, fixed, f"{file}: axes")
        base = _complete(task, [*_layers(content, task), fixed], file)
        if not base.get("activation") and "activation" not in axes:
            raise StudyError(f"{where}: activation: missing; allowed: a name, or an axis of names")
        waiting, seeds = checks.seeding(content, block, axes, where)
        planned = [
            dataclasses.replace(run, spec=checks.canonical_spec(run.spec))
            for run in expand(base, axes, seeds, content.compare)
        ]
        checks.check_grid(planned, content.compare, axes, where)
        for run in planned:
            checks.check_spec(run.spec, where)
        checks.check_rates(planned, waiting["tune_lr"], where)
        tasks[task] = _task_plan(block, content, planned, axes, base, waiting, where)
        reported, choosing = looks.at_rates(planned, waiting["tune_lr"])
        possible, tuning = possible + reported, tuning + choosing
    host = (content.device, content.slots_per_gpu, content.probe_every, content.timeout_minutes)
    stated = claims.checked(content.claims, (run.level for run in possible), tasks, file)
    return Study(
        file,
        name,
        content.note,
        *host,
        content.compare,
        content.family,
        stated,
        tasks,
        possible,
        tuning,
    )


def _layers(content: StudyFile, task: str) -> list[dict[str, Any]]:
    return [given(content.defaults), given(content.tasks.get(task))]


def _complete(task: str, layers: list[dict[str, Any]], source: str) -> dict[str, Any]:
    """The task's defaults under the layers, as RunSpec takes them."""
    for layer in layers:
        checks.check_rivals(layer, source)
    defaults = given(validated(RunFields, registry.task(task)["defaults"], f"tasks/{task}.py"))
    return {"task": task, **layered(defaults, *layers)}


def _task_plan(
    block: Any,
    content: StudyFile,
    planned: list[PlannedRun],
    axes: Mapping[str, list[dict[str, Any]]],
    base: Mapping[str, Any],
    waiting: Mapping[str, Any],
    where: str,
) -> TaskPlan:
    """What analysis needs to know of a task: its metric, targets, margin, baseline level, recipe and figures."""
    task = registry.task(planned[0].spec.task)
    data = [registry.dataset(name) for name in dict.fromkeys(run.spec.dataset for run in planned)]
    margin, reason = task["margin"], task["margin_reason"]
    home = task["defaults"]["dataset"]
    if {run.spec.dataset for run in planned} != {home}:
        reason = f"the task's own, chosen for {registry.dataset(home)['title']}"
    if block.margin:
        margin, reason = block.margin, "set by this study"
    crossed = [axis for axis, values in axes.items() if len(values) > 1]
    if waiting["tune_lr"]:
        crossed.append("tune_lr")
    classes = task["predicts"] == "classes"
    return TaskPlan(
        title=f"{task['title']} on {' and '.join(one['title'] for one in data)}",
        metric=task["metric"],
        unit=task["unit"],
        higher_is_better=task["higher_is_better"],
        predicts=task["predicts"],
        x_axis=task["x_axis"],
        margin=margin,
        margin_reason=reason,
        log_unit=task.get("log_unit"),
        chance=1 / min(one["classes"] for one in data) if classes else None,
        targets=task["targets"] if block.targets is None else block.targets,
        baseline=checks.baseline(
            block.baseline or content.baseline, content.compare, planned, where
        ),
        recipe=plain(base),
        axes=plain({axis: [_shortest(entry, axis) for entry in axes[axis]] for axis in axes}),
        looks=waiting["looks"],
        tune_lr=waiting["tune_lr"],
        figures=registry.task_figures(task["predicts"], crossed),
    )


def _shortest(entry: Mapping[str, Any], axis: str) -> Any:
    """An axis entry as a study file may write it: the value alone if it sets nothing else."""
    return entry if len(entry) > 1 else entry[axis]


def plain(value: Any) -> Any:
    """The same with lists for tuples, as JSON gives it back."""
    return json.loads(json.dumps(value))
