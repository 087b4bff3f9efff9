"""Series: runs that one job trains one after another, each as if it had a process of its own."""

import itertools
from collections.abc import Iterable, Mapping

from actstudy.contract import host
from actstudy.contract.spec import RunSpec
from actstudy.study import packs
from actstudy.study.grid import PlannedRun
from actstudy.study.planning import Study

AUTO_SHARE = 2  # a job takes at most this part of what remains for a core: a half
MAX_AUTO = 8  # runs of a job


def may_share(spec: RunSpec) -> bool:
    """Whether a run's process may train others: nothing that lasts is compiled or someone's own."""
    return spec.engine == "eager" and spec.framework == "torch" and not spec.code


def of_study(
    study: Study, device: str, local: bool, priorities: Mapping[str, int]
) -> dict[str, list[RunSpec]]:
    """All series of a study by name, filled look by look in the order of training.

    Which reported runs a task with chosen rates will train is not known before: these are alone.
    """
    runs_per_job = study.runs_per_job
    if runs_per_job == "auto" and (device != "cpu" or not local):
        runs_per_job = 1
    members_by_name = dict[str, list[RunSpec]]()
    stages = [study.tuning]
    for stage in study.stages:
        stages.append([run for run in stage if run.task not in study.with_rates])
    for runs in stages:
        ordered = sorted(runs, key=lambda run: -priorities[run.id])
        members_by_name.update(series(ordered, runs_per_job, host.cores()))
    return members_by_name


def series(
    runs: Iterable[PlannedRun], runs_per_job: int | str, cores: int
) -> dict[str, list[RunSpec]]:
    """Name -> the specs of the runs that share a job, two or more, of runs in order of training.

    runs_per_job: how many, or `auto`: then a job takes MAX_AUTO, but fewer towards the end, so
    that all `cores` are busy until then. Runs of a series differ in the fields of packs.STACKED
    alone: what a process sets for one of them it would set for each.
    """
    specs = [run.spec for run in runs if may_share(run.spec)]
    remaining = len(specs)
    members_by_name = {}
    for _, group in itertools.groupby(specs, key=packs.shared):
        waiting = list(group)
        while waiting:
            size = runs_per_job if isinstance(runs_per_job, int) else auto(remaining, cores)
            members = waiting[:size]
            waiting = waiting[size:]
            remaining -= len(members)
            if len(members) > 1:
                members_by_name[packs.name(members)] = members
    return members_by_name


def auto(remaining: int, cores: int) -> int:
    """The runs of a job if so many remain."""
    return min(MAX_AUTO, max(1, remaining // (AUTO_SHARE * cores)))
