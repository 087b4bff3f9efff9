"""A study: its file, resolved, and the runs that it asks for by now."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actstudy.contract import certificates, own, registry, store
from actstudy.contract.errors import StudyError
from actstudy.contract.layers import layered
from actstudy.contract.plan import LooksTaken, Plan, TaskPlan
from actstudy.contract.spec import RunSpec
from actstudy.study import checks, claims, data_checks, inspection, looks, measuring, tries
from actstudy.study.config import RunFields, StudyFile, name_error, set_fields
from actstudy.study.grid import PlannedRun, expand
from actstudy.study.model_checks import activation_names
from actstudy.study.reading import read
from actstudy.study.resolving import complete, layers, resolve
from actstudy.study.validation import validate
from actstudy.study.warmup import least_steps_per_epoch, sets_warmup, short_warmup

QUESTION = (  # settings of a task that its decisions depend on
    "metric",
    "higher_is_better",
    "log_unit",
    "classes",
    "margin",
    "baseline",
    "looks",
    "tune_lr",
)


@dataclass(frozen=True)
class Study:
    """A study file, resolved: its settings and every run that it may ask for."""

    file: str
    name: str
    folder: str  # of the study's tables, figures and decisions
    note: str | None
    device: str
    slots_per_gpu: int | str
    runs_per_job: int | str
    probe_every: int
    timeout_minutes: float | None
    compare: str
    family: str
    claims: dict[str, Any] | None
    ledger: dict[str, Any] | None
    tasks: dict[str, TaskPlan]
    possible: list[PlannedRun]  # that any outcome of looks and chosen rates may ask for
    tuning: list[PlannedRun]  # that only choose learning rates
    overrides: list[str]  # KEY=VALUE of --config that change the question

    @property
    def with_looks(self) -> list[str]:
        """The tasks whose seeds are added look by look."""
        return [task for task, settings in self.tasks.items() if settings.in_looks]

    @property
    def with_rates(self) -> list[str]:
        """The tasks whose learning rates are chosen by val."""
        return [task for task, settings in self.tasks.items() if settings.tune_lr]

    @property
    def activations(self) -> list[str]:
        """The study's activations, each once in its order, without those of a feed-forward part."""
        names = [name for run in self.possible for name in activation_names(run.spec)]
        return [name for name in dict.fromkeys(names) if name not in registry.feed_forward()]

    @property
    def code(self) -> dict[str, str]:
        """Piece -> hash of the code of the study's runs that is own or edited since shipped."""
        pieces: dict[str, str] = {}
        for run in self.possible + self.tuning:
            pieces |= run.spec.code
        return pieces

    @property
    def arguments(self) -> dict[str, list[dict[str, float]]]:
        """Own activation -> arguments other than its defaults, if any of its runs has some."""
        by_path: dict[str, list[dict[str, float]]] = {}
        for run in self.possible + self.tuning:
            for path in filter(own.is_path, activation_names(run.spec)):
                args = certificates.other_than_defaults(path, run.spec.activation_args)
                several = by_path.setdefault(path, [])
                if args not in several:
                    several.append(args)
        return {path: several for path, several in by_path.items() if any(several)}

    @property
    def first(self) -> list[PlannedRun]:
        """The runs that are wanted whatever will be decided."""
        seeds = dict.fromkeys(self.with_looks, looks.LOOKS[0])
        return self.tuning + looks.select(self.possible, seeds, {})

    @property
    def stages(self) -> list[list[PlannedRun]]:
        """All runs that may be reported, look by look."""
        stages: list[list[PlannedRun]] = [[] for _ in looks.LOOKS]
        for run in self.possible:
            stages[looks.stage(run, self.tasks[run.task])].append(run)
        return stages

    def runs(self) -> list[PlannedRun]:
        """The reported runs wanted by the decisions on disk, which are read at each call."""
        return self._select(self._seeds_by_now())

    def look_runs(self, task: str, look: int) -> list[PlannedRun]:
        """The reported runs of a task at a look, counted from 1, at the rates chosen by now."""
        runs = self._select({task: looks.LOOKS[look - 1]})
        return [run for run in runs if run.task == task]

    def _seeds_by_now(self) -> dict[str, int]:
        return {task: looks.seeds_by_now(self.folder, task) for task in self.with_looks}

    def _select(self, seeds: Mapping[str, int]) -> list[PlannedRun]:
        chosen = {task: looks.chosen_rates(self.folder, task) for task in self.with_rates}
        return looks.select(self.possible, seeds, chosen)

    @staticmethod
    def files_of(runs: Iterable[PlannedRun]) -> list[str]:
        """The manifests of some runs, which are published last, each once: rates may be equal."""
        folders = dict.fromkeys(str(store.run_folder(run.spec)) for run in runs)
        return [f"{folder}/{store.MANIFEST}" for folder in folders]

    def device_for(self, gpus: int, limit: int | None, local: bool = True) -> str:
        """The `--device` of training jobs: cuda, auto or cpu; StudyError if the study cannot run.

        gpus: GPUs of this machine; limit: GPUs that `--resources gpu=N` allows, if it was given;
        local: whether jobs run on this machine and not on the nodes of a cluster.
        """
        if local and self.device == "cuda" and not gpus:
            got = "got 'cuda', but there is no GPU; allowed: auto, cpu"
            raise StudyError(f"{self.file}: device: {got}")
        if self.device == "cuda" or (self.device == "auto" and (gpus or not local) and limit != 0):
            return self.device
        halves = [run for run in self.possible if run.spec.precision == "fp16"]
        if any(not store.is_there(Path(file)) for file in self.files_of(halves)):
            got = "got 'fp16', but no GPU; allowed: fp32, bf16"
            raise StudyError(f"{self.file}: precision: {got}")
        return "cpu"

    def question(self, task: str) -> str:
        """The settings that a task's decisions depend on, besides its runs, as JSON."""
        settings = {key: getattr(self.tasks[task], key) for key in QUESTION}
        family = [self.family, len(self.tasks)]
        return json.dumps({**settings, "compare": self.compare, "family": family})

    def plan(self, seeds: Mapping[str, int] | None = None) -> Plan:
        """What the tables need; seeds: of tasks with looks, instead of those by now."""
        seeds = {**self._seeds_by_now(), **(seeds or {})}
        tasks = dict(self.tasks)
        for task, n in seeds.items():
            progress = LooksTaken(n, looks.LOOKS[-1], looks.ended(self.folder, task))
            tasks[task] = dataclasses.replace(tasks[task], looks_runs=progress)
        return Plan(
            file=self.file,
            study=self.name,
            note=self.note,
            compare=self.compare,
            family=self.family,
            claims=self.claims,
            levels=list(dict.fromkeys(run.level for run in self.possible)),
            tasks=tasks,
            runs=[run.row() for run in self._select(seeds)],
            tuning=[run.tuning_row() for run in self.tuning],
            code=self.code,
            overrides=self.overrides,
            arguments=self.arguments,
            ledger=self.ledger,
        )


def load(file: str | Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study in a file, under `--config KEY=VALUE` pairs; StudyError if either is wrong."""
    own.look_in(Path(file).parent)
    raw = read(Path(file))
    name = checks.study_name(Path(file))
    fields = tries.override(raw, overrides or {})
    content = validate(StudyFile, raw, str(file))
    tasks = resolve(content, str(file), fields)
    possible = [run for task in tasks.values() for run in task.reported]
    return Study(
        file=str(file),
        name=name,
        folder=tries.results_folder(name, overrides),
        note=tries.note(content.note, overrides or {}),
        device=content.device,
        slots_per_gpu=content.slots_per_gpu,
        runs_per_job=content.runs_per_job,
        probe_every=content.probe_every,
        timeout_minutes=content.timeout_minutes,
        compare=content.compare,
        family=content.family,
        claims=_claims(content, possible, str(file)),
        ledger=content.ledger and measuring.of_study(Path(file), content.ledger),
        tasks={task: resolved.plan for task, resolved in tasks.items()},
        possible=possible,
        tuning=[run for task in tasks.values() for run in task.tuning],
        overrides=tries.question_pairs(overrides or {}),
    )


def _claims(content: StudyFile, runs: list[PlannedRun], file: str) -> dict[str, Any] | None:
    if content.claims is None:
        return None
    levels = {run.level: run.level_value for run in runs}
    stated = claims.resolve(content.claims, levels, file)
    claims.check_tasks(content.tasks, file)
    return stated.model_dump()


def run_spec(
    task: str,
    seed: int,
    fields: Mapping[str, Any],
    file: str | None = None,
    steps_per_epoch: Callable[[RunSpec], int] = least_steps_per_epoch,
) -> RunSpec:
    """One run: task defaults < the layers of a study file, if named < `fields`.

    steps_per_epoch: the task's own warm-up is shortened in runs of fewer steps than it has.
    """
    source = "command line"
    if file:
        own.look_in(Path(file).parent)
    flags = set_fields(validate(RunFields, dict(fields), source))
    if fault := name_error("task", task):
        raise StudyError(f"{source}: task: got {task!r}; {fault}")
    if not 0 <= seed < 2**63:
        raise StudyError(f"{source}: seed: got {seed}; allowed: at least 0 and below 2**63")
    raw = read(Path(file)) if file else {"tasks": {task: None}}
    content = validate(StudyFile, raw, file or source)
    stronger = [*layers(content, task), flags]
    base = complete(task, stronger, source)
    if not base.get("activation"):
        names = ", ".join(registry.activation_names())
        raise StudyError(f"{source}: activation: missing; allowed: {names}")
    data_checks.check_is_named(base, {}, source)
    (run,) = expand(base, {}, seed, "activation", {}, layered(*stronger))
    spec = checks.canonical_spec(run.spec)
    if not sets_warmup(stronger):
        spec = short_warmup(spec, steps_per_epoch)
    inspection.inspect([spec], source)
    checks.check_spec(spec, source)
    return spec
