"""What the workflow's jobs need besides their files, so that its rules name files alone."""

import argparse
import itertools
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actstudy.contract import code, errors, own, own_data, registry, sources, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, data_name, data_parts, run_id
from actstudy.study import looks, measuring, packs, parities, series
from actstudy.study.parities import Parities
from actstudy.study.planning import Study

GRAPHS = ("dag", "rulegraph", "filegraph", "d3dag")
PRINTING = ("dryrun", "unlock", *GRAPHS, "summary", "lint", "report")


def are_run(options: argparse.Namespace) -> bool:
    """Whether snakemake runs jobs under its options; a dry run, for one, prints them instead."""
    return not any(getattr(options, name) for name in PRINTING)


@dataclass(frozen=True)
class Jobs:
    """What the jobs of a study have in common."""

    file: str
    tasks: dict[str, str]  # by name: as run specs name it, someone's own by its import path
    own_tasks: str  # the flag that says the import paths of own tasks, or empty
    specs: dict[str, RunSpec]  # by run id: every run that any decision may ask for
    packs: dict[str, list[RunSpec]]  # by pack name: the runs that train as one
    series: dict[str, list[RunSpec]]  # by name: the runs that one job trains one after another
    device: str  # --device of training: auto, cpu or cuda
    host_flags: str  # other flags of training that change no result
    modules: str  # the flag that says where own code is, or empty
    slots: int | None  # training jobs that may use GPUs at a time; None: as --resources says
    notice: str  # a warning on GPUs that were requested but are missing, or empty
    overrides: str  # what snakemake got as --config, as JSON
    decisions: list[str]  # the file of each task's last decision, for tasks that have any
    toy_code: dict[str, str]  # of the toy problems' network that is not as shipped
    priorities: dict[str, int]  # run -> its place in the order, the first run's the highest
    aside: int  # priority of jobs that only the tables wait for: references, toy problems
    own_data: dict[str, str]  # folder of prepared own data -> what the study says of them, as JSON
    parities: Parities  # of Keras runs with torch
    ledger: str  # folder with the claims of guides that are measured, or empty
    measured: dict[str, str]  # group of measurements -> its file

    @property
    def gpu(self) -> int:
        """GPUs that a training job asks for: 0 or 1."""
        return int(self.device != "cpu")

    def spec(self, run_id: str) -> RunSpec:
        """The spec of a run; StudyError with the nearest id if it is not of this study."""
        if run_id not in self.specs:
            raise StudyError(
                f"{self.file}: got run {run_id!r}; {errors.nearest(run_id, self.specs)}"
                "allowed: a run of this study"
            )
        return self.specs[run_id]

    def inputs(self, *run_ids: str) -> list[str]:
        """The files that a job of runs waits for: prepared data, of Keras runs also their parity.

        None if all have arrived from elsewhere (`store.ARRIVED`): data that are prepared later
        would make Snakemake start them again.
        """
        specs = [self.spec(run_id) for run_id in run_ids]
        if all((store.run_folder(spec) / store.ARRIVED).is_file() for spec in specs):
            return []
        return [manifest_of(specs[0]), *parities.files_of(specs[:1])]

    @property
    def urgent(self) -> int:
        """The priority of decisions that runs wait for: above that of every run."""
        return max(self.priorities.values()) + 2

    def data_priority(self, data: str) -> int:
        """The priority of preparing data: above that of the first run on them."""
        own = [n for run, n in self.priorities.items() if data_name(self.specs[run]) == data]
        return max(own, default=0) + 1

    def priority(self, members: Iterable[RunSpec]) -> int:
        """The priority of a job of several runs: that of its first run."""
        return max(self.priorities[run_id(member)] for member in members)


def manifest_of(spec: RunSpec) -> str:
    """The manifest of a run's prepared data."""
    return str(store.DATA / data_name(spec) / store.MANIFEST)


def own_tasks_flag(tasks: Iterable[str]) -> list[str]:
    """`--own PATH ...` of own tasks, which files name by their modules alone, or empty."""
    paths = [task for task in tasks if own.is_path(task)]
    return ["--own", *paths] if paths else []


def reference_of(task: str, data: str) -> str:
    """What a task's reference on prepared data depends on, besides their files, as JSON."""
    dataset, _ = data_parts(data)
    return json.dumps([registry.dataset(dataset)["version"], code.of_reference(task)])


def own_data_of(study: Study) -> dict[str, str]:
    """Folder of prepared data of the user's own -> `--source` of their preparation, as JSON.

    A path below the present folder is written from there on, so that the folder may be moved.
    """
    values = {}
    for run in [*study.possible, *study.tuning]:
        known = own_data.known(run.spec.dataset)
        if known is not None:
            path = Path(known.value["path"])
            if path.is_relative_to(Path.cwd()):
                path = path.relative_to(Path.cwd())
            values[data_name(run.spec)] = json.dumps({**known.value, "path": str(path)})
    return values


def check_sources(study: Study, root: Path = store.DATA) -> None:
    """Damaged if data that have been prepared are not of their data sets as these are now."""
    names = {data_name(run.spec): run.spec.dataset for run in study.possible}
    for name, dataset in names.items():
        if (root / name / store.MANIFEST).is_file():
            sources.check(root / name, dataset)


def modules_flag(study: Study) -> list[str]:
    """`--modules FOLDER` of jobs of a study with own code, else no word: they see no study file."""
    has_own = any(map(code.path_of, study.code))
    return ["--modules", str(Path(study.file).parent)] if has_own else []


def plan_jobs(
    study: Study,
    gpus: int,
    gpu_limit: int | None,
    local: bool,
    config: Mapping[str, Any],
    are_run: bool = True,
) -> Jobs:
    """The jobs of a study; StudyError if it needs a GPU that is not there and they are run.

    gpus: GPUs of this machine; gpu_limit: N of `--resources gpu=N`, or None;
    local: jobs run on this machine, not on the nodes of a cluster; config: pairs of `--config`.
    """
    device, notice = _device(study, gpus, gpu_limit, local, are_run)
    used = min(gpu_limit or 0, gpus) if local and device != "cpu" else 0
    if 0 < used < (gpu_limit or 0):
        notice = f"--resources gpu={gpu_limit}: this machine has {gpus}; {gpus} are used"
    runs, n_first = in_order(study)
    tasks = {run.task: run.spec.task for run in study.possible}
    specs = {run.id: run.spec for run in study.possible + study.tuning}
    priorities = {run: 2 * (len(runs) - place) for place, run in enumerate(runs)}
    return Jobs(
        file=study.file,
        tasks=tasks,
        own_tasks=shlex.join(own_tasks_flag(tasks.values())),
        specs=specs,
        packs=packs_of(study),
        series=series.of_study(study, device, local, used, priorities),
        device=device,
        host_flags=_host_flags(study),
        modules=shlex.join(modules_flag(study)),
        slots=used * series.jobs_on_a_gpu(study.slots_per_gpu) or None,
        notice=notice,
        overrides=json.dumps(config),
        decisions=last_decisions(study),
        toy_code=code.of_parts([*study.activations, "identity"], ["auto"], ["nets/mlp.py"]),
        priorities=priorities,
        aside=2 * (len(runs) - n_first) + 1,
        own_data=own_data_of(study),
        parities=parities.parities_of(specs, priorities),
        ledger=study.ledger["folder"] if study.ledger else "",
        measured=measuring.files(study.ledger, has_gpu=device != "cpu"),
    )


def _host_flags(study: Study) -> str:
    """Flags of training that change no result."""
    flags = f"--slots_per_gpu {study.slots_per_gpu} --probe_every {study.probe_every}"
    if modules := modules_flag(study):
        flags += f" {shlex.join(modules)}"
    if study.timeout_minutes:
        flags += f" --timeout_minutes {study.timeout_minutes:g}"
    return flags


def _device(
    study: Study, gpus: int, gpu_limit: int | None, local: bool, are_run: bool
) -> tuple[str, str]:
    """`--device` of training, and why no job can run here; StudyError instead if jobs are run.

    A dry run may plan what another machine will train.
    """
    try:
        return study.device_for(gpus, gpu_limit, local), ""
    except StudyError as fault:
        if are_run:
            raise
        return "cuda", f"{fault}; a dry run is not refused"


def in_order(study: Study) -> tuple[list[str], int]:
    """The ids of all runs in the order in which they train, and how many come before references.

    Task by task as the file names them, in a task seed by seed over all cells, so that a page of
    what exists can compare early. One run of every other task follows the first task: from then
    on the time of the whole study is known. If there is one task alone, references follow its
    first seed.
    """
    by_task = []
    for task in study.tasks:
        reported = sorted(study.possible, key=lambda run: run.spec.seed)
        runs = [run.id for run in [*study.tuning, *reported] if run.task == task]
        by_task.append(list(dict.fromkeys(runs)))
    first, *others = by_task
    if not others:
        seed = min(run.spec.seed for run in study.possible)
        later = {run.id for run in study.possible if run.spec.seed > seed}
        return first, len(first) - len(later)
    early = [*first, *(runs[0] for runs in others)]
    rest = [runs[1:] for runs in others]
    return [*early, *itertools.chain(*rest)], len(early)


def packs_of(study: Study) -> dict[str, list[RunSpec]]:
    """All packs of a study by name, filled look by look: seeds of another look are other packs."""
    members_by_name = dict[str, list[RunSpec]]()
    for stage in study.stages:
        members_by_name.update(packs.packs(stage))
    return members_by_name


def last_decisions(study: Study) -> list[str]:
    """The file of each task's last decision: of its learning rates, of its last look at seeds."""
    files = [looks.path(study.folder, task, "lr") for task in study.with_rates]
    last = f"look{len(looks.LOOKS)}"
    files += [looks.path(study.folder, task, last) for task in study.with_looks]
    return [str(file) for file in files]
