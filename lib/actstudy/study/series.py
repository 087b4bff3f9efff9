"""Series: runs that one job trains one after another, each as if it had a process of its own."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from actstudy.contract import host
from actstudy.contract.plan import RATE_AXIS
from actstudy.contract.spec import RunSpec, canonical, run_id
from actstudy.study import looks, packs
from actstudy.study.grid import PlannedRun
from actstudy.study.planning import Study

CLUSTER_JOBS = 50  # of a stage, as long as a job has MAX_AUTO_GPU runs at most
AUTO_SHARE = 2  # a job takes at most this part of what remains for a core or slot: a half
MAX_AUTO = 8  # runs of a job
# On a GPU a process takes longer to start and to compile than many a run to train.
MAX_AUTO_GPU = 40
MIN_AUTO_GPU = 4  # if there are as many for each slot
# Slots per GPU that runs are cut for if the lease decides: of runs that do not share it, few
# processes start, and of runs that do, no job of many has more than a quarter of a GPU's.
AUTO_SLOTS = 2
# field -> neutral value: fields that no compiled or recorded code holds
NOT_OF_CODE: dict[str, Any] = {"seed": 0, "init": "auto", "init_args": {}, "lr": 1.0}


def may_share(spec: RunSpec) -> bool:
    """Whether a run's process may train others: it is torch's alone, and none of someone's own."""
    return spec.engine != "pack" and spec.framework == "torch" and not spec.code


def code_of(spec: RunSpec) -> str:
    """What decides a run's compiled code, as JSON: runs of equal code differ in tensors alone."""
    return canonical(spec, NOT_OF_CODE)


def jobs_on_a_gpu(slots_per_gpu: int | str) -> int:
    """Training jobs that are started per GPU; if the lease decides, some wait there for a slot."""
    return slots_per_gpu if isinstance(slots_per_gpu, int) else host.GPU_PARTS


def of_study(
    study: Study, device: str, local: bool, gpus: int, priorities: Mapping[str, int]
) -> dict[str, list[RunSpec]]:
    """All series of a study by name, filled look by look in the order of training.

    device: `--device` of training; gpus: how many its jobs may use, 0 if that is not known.
    """
    on_gpu = device != "cpu"
    runs_per_job = study.runs_per_job
    slots = study.slots_per_gpu if isinstance(study.slots_per_gpu, int) else AUTO_SLOTS
    places = gpus * slots if on_gpu else host.cores()
    if runs_per_job == "auto" and local and not places:
        runs_per_job = 1
    members_by_name = dict[str, list[RunSpec]]()
    for runs, others in [(study.tuning, 0), *asked_together(study)]:
        ordered = sorted(runs, key=lambda run: -priorities[run.id])
        size = runs_per_job
        if size == "auto" and not local:
            size = on_cluster(len(ordered) + others)
        members_by_name.update(series(ordered, size, places or 1, on_gpu, others))
    return members_by_name


def asked_together(study: Study) -> Iterator[tuple[list[PlannedRun], int]]:
    """Reported runs of which all are asked for or none, and how many others are after them.

    Of a task with chosen rates these are the seeds of a cell at one rate, as no other is decided
    with it.
    """
    for stage in study.stages:
        tuned = [run for run in stage if run.places.get(RATE_AXIS) == looks.TUNED]
        certain = [run for run in stage if run.places.get(RATE_AXIS) != looks.TUNED]
        yield certain, 0
        trained = {run.id for run in certain}  # also those of a tried rate that is the task's own
        cells: dict[tuple[str, str, str], dict[float, list[PlannedRun]]] = {}
        for run in tuned:
            rates = cells.setdefault((run.task, run.group, run.level), {})
            rates.setdefault(run.spec.lr, []).append(run)
        for place, rates in enumerate(cells.values()):
            for runs in rates.values():
                others = (len(cells) - place - 1) * len(runs)
                yield [run for run in runs if run.id not in trained], others


def on_cluster(n_runs: int) -> int:
    """The runs of a job on a cluster, of the study alone: its login and other nodes agree on it."""
    return min(MAX_AUTO_GPU, max(1, -(-n_runs // CLUSTER_JOBS)))


def series(
    runs: Iterable[PlannedRun],
    runs_per_job: int | str,
    places: int,
    on_gpu: bool = False,
    others: int = 0,
) -> dict[str, list[RunSpec]]:
    """Name -> the specs of the runs that share a job, two or more, of runs in order of training.

    runs_per_job: how many, or `auto`: then as `auto` says for as many `places`, which are cores or
    slots of GPUs; others: runs that come after these. Runs of a series differ in the fields of
    packs.STACKED alone: what a process sets for one of them it would set for each. Compiled
    ones of equal code follow each other.
    """
    several = [run.spec for run in runs if may_share(run.spec)]
    shared = {run_id(spec): packs.shared(spec) for spec in several}
    specs = alike_together(several, shared)
    remaining = len(specs) + others
    members_by_name = {}
    for _, group in itertools.groupby(specs, key=lambda spec: shared[run_id(spec)]):
        waiting = by_code(list(group))
        while waiting:
            if isinstance(runs_per_job, int):
                size = runs_per_job
            else:
                size = whole_codes(waiting, auto(remaining, places, on_gpu))
            members = waiting[:size]
            waiting = waiting[size:]
            remaining -= len(members)
            if len(members) > 1:
                members_by_name[packs.name(members)] = members
    return members_by_name


def alike_together(specs: Sequence[RunSpec], shared: Mapping[str, str]) -> list[RunSpec]:
    """The runs of each task and seed with those that may share a job together, else in order.

    A study that crosses depths, say, changes it from run to run. shared: `packs.shared` by run id.
    """
    ordered: list[RunSpec] = []
    for _, of_seed in itertools.groupby(specs, key=lambda spec: (spec.task, spec.seed)):
        alike: dict[str, list[RunSpec]] = {}
        for spec in of_seed:
            alike.setdefault(shared[run_id(spec)], []).append(spec)
        ordered += itertools.chain(*alike.values())
    return ordered


def auto(remaining: int, places: int, on_gpu: bool) -> int:
    """The runs of a job if so many remain, fewer towards the end, so that all places are busy."""
    half = remaining // (AUTO_SHARE * places)
    if not on_gpu:
        return min(MAX_AUTO, max(1, half))
    if places == 1:  # which no other waits for
        return min(MAX_AUTO_GPU, max(1, remaining))
    return min(MAX_AUTO_GPU, max(1, half, min(MIN_AUTO_GPU, remaining // places)))


def by_code(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Compiled runs with those of equal code together, in the order of the first; others as is."""
    if specs[0].engine != "compiled":
        return list(specs)
    alike: dict[str, list[RunSpec]] = {}
    for spec in specs:
        alike.setdefault(code_of(spec), []).append(spec)
    return list(itertools.chain(*alike.values()))


def whole_codes(waiting: Sequence[RunSpec], size: int) -> int:
    """About `size` runs of those waiting, so that few compiled codes are shared by two jobs.

    As many whole codes as there is room for; of a code that is larger, an even part.
    """
    if waiting[0].engine != "compiled":
        return size
    counts = [len(list(group)) for _, group in itertools.groupby(waiting, key=code_of)]
    whole = max((n for n in itertools.accumulate(counts) if n <= size), default=0)
    if whole:
        return whole
    jobs = -(-counts[0] // size)
    return -(-counts[0] // jobs)
