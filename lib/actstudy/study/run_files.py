"""Which files of runs the workflow names: of each its manifest, which is published last.

A file costs Snakemake as much as a job, so naming all of a run would cost six times as much. What
is not as it was published is named besides, so that it is noticed.
"""

import contextlib
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actstudy.contract import published, store
from actstudy.contract.errors import StudyError
from actstudy.contract.spec import RunSpec, run_id
from actstudy.study.jobs import Jobs
from actstudy.study.planning import Study

NONE = "none"  # a pattern for no run


@dataclass(frozen=True)
class Amiss:
    """The tables of published runs that are not as they were published: folder -> names."""

    gone: dict[Path, list[str]]  # which the runs' jobs write again
    edited: dict[Path, list[str]]  # since the manifests were written

    def names_gone(self, spec: RunSpec) -> list[str]:
        """The names of a run's tables that are gone."""
        return self.gone.get(store.run_folder(spec), [])

    def runs_again(self, runs: Iterable[str]) -> list[str]:
        """Those of some runs, by id, of which a table is gone."""
        again = {folder.name for folder in self.gone}
        return [run for run in runs if run in again]


def amiss(study: Study) -> Amiss:
    """What is not as it was published, of the published runs that are wanted by now."""
    runs = study.first + study.runs()
    noticed = Amiss({}, {})
    for folder in dict.fromkeys(store.run_folder(run.spec) for run in runs):
        gone, edited = published.amiss(folder)
        if gone:
            noticed.gone[folder] = gone
        if edited:
            noticed.edited[folder] = edited
    return noticed


def publish_ended(jobs: Jobs) -> None:
    """Publish the sealed runs of which Snakemake has removed the manifests, as their jobs failed.

    A run that is not sealed, or damaged, is left to its job.
    """
    for members in [*jobs.packs.values(), *jobs.series.values()]:
        for folder in map(store.run_folder, members):
            if not (folder / store.MANIFEST).is_file():
                with contextlib.suppress(store.Damaged, OSError):
                    store.publish(folder)


def paths(names: Mapping[Path, Iterable[str]]) -> list[str]:
    """The paths of files; names: folder -> those in it."""
    files: list[str] = []
    for folder in names:
        files += [str(folder / name) for name in names[folder]]
    return files


def alone(jobs: Jobs) -> list[str]:
    """The ids of the runs that have a job of their own."""
    shared = itertools.chain(*jobs.packs.values(), *jobs.series.values())
    several = set(map(run_id, shared))
    return [run for run in jobs.specs if run not in several]


def pattern(runs: Iterable[str]) -> str:
    """What a wildcard may be: one of these ids.

    Without it each run of a series would be asked for twice, as a run alone too.
    """
    return "|".join(map(re.escape, runs)) or NONE


def check_targets(jobs: Jobs, words: Iterable[str]) -> None:
    """StudyError if a file of a run is asked for that is none of the study's, or has no rule.

    words: of snakemake's command line.
    """
    for target in words:
        folder = Path(target).parent
        if folder.parent.parent != store.RUNS or Path(target).name not in store.FILES:
            continue
        jobs.spec(folder.name)
        manifest = folder / store.MANIFEST
        if Path(target) != manifest and not manifest.is_file():
            raise StudyError(f"{target}: comes with its run; allowed: {manifest}, the whole run")
