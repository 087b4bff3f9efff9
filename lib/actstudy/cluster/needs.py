"""What a job of runs asks Slurm for: time and memory, from what such runs took before."""

import functools
import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from actstudy.cluster import offers
from actstudy.contract import store
from actstudy.contract.schema import BUCKETS
from actstudy.contract.spec import RunSpec, run_id
from actstudy.study import packs

SAMPLE = 20  # completed runs that are read: the newest
SLOWER = 2.0  # nodes differ, and file systems
START_MINUTES = 5  # a process on a slow file system
MORE_MEMORY = 1.3
OWN_MB = 200  # of the processes around training: the step's start, srun
RSS = "process RSS"
OUT_OF_MEMORY = Counter[str]()  # run id -> jobs of it that this process has seen killed for memory


class Peak(NamedTuple):
    """What completed runs took at most."""

    seconds: float  # of a run, everything in it
    megabytes: float | None  # of a process; None if only the memory of GPUs is known


@dataclass(frozen=True)
class Needs:
    """Makes the resources of training jobs.

    defaults: those of the profile, by name; specs: by run id, of the study, whose completed runs
    say what others take that differ from them in the fields of `packs.STACKED` alone; partition: of
    all jobs, empty: Slurm's default one.
    """

    defaults: Mapping[str, Any]
    specs: Mapping[str, RunSpec]
    root: Path = store.RUNS
    partition: str = ""
    _peaks: dict[str, Peak | None] = field(default_factory=dict, init=False)  # by `packs.shared`

    def resources(self, members: Callable[[Any], Sequence[RunSpec]]) -> dict[str, Any]:
        """`runtime` (minutes) and `mem_mb` of a rule, as functions that Snakemake calls per job.

        members: the runs of a job, of its wildcards. Without a default in the profile a resource
        is left out, as on one machine.
        """
        known = {"runtime": self._minutes, "mem_mb": self._megabytes}
        return {
            name: lambda wildcards, attempt, need=known[name]: need(members(wildcards), attempt)
            for name in known
            if name in self.defaults
        }

    def _minutes(self, members: Sequence[RunSpec], attempt: int) -> int:
        """The profile's minutes, or fewer if runs like these have taken less."""
        most = int(self.defaults["runtime"])
        took = self.took(members[0])
        if took is None:
            return most
        seconds = SLOWER * took.seconds * len(members)
        return min(most, attempt * (START_MINUTES + math.ceil(seconds / 60)))

    def _megabytes(self, members: Sequence[RunSpec], _attempt: int) -> int:
        """The profile's memory for the first runs, then more than they took.

        Once more of it after each job of these runs that had too little, and after no other fault,
        up to what the largest node has: for more no job may ask.
        """
        took = self.took(members[0])
        needed = float(self.defaults["mem_mb"])
        if took is not None and took.megabytes is not None:
            needed = OWN_MB + MORE_MEMORY * took.megabytes
        n_killed = max(OUT_OF_MEMORY[run_id(member)] for member in members)
        more = needed * (1 + n_killed)
        if n_killed and self._largest_node:
            more = max(needed, min(more, self._largest_node))
        return math.ceil(more)

    @functools.cached_property
    def _largest_node(self) -> int | None:
        """The MB of the largest node that the jobs may get; None if that is not known."""
        return offers.largest_memory(self.partition)

    def took(self, spec: RunSpec) -> Peak | None:
        """What the newest completed runs like this one took at most; None if there are none."""
        alike = packs.shared(spec)
        if alike not in self._peaks:
            self._peaks[alike] = peak_of(self._folders.get(alike, []))
        return self._peaks[alike]

    @functools.cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """What runs have in common -> their folders."""
        folders: dict[str, list[Path]] = {}
        for spec in self.specs.values():
            folder = self.root / spec.task_name / run_id(spec)
            folders.setdefault(packs.shared(spec), []).append(folder)
        return folders


def peak_of(folders: Iterable[Path]) -> Peak | None:
    """What the newest completed runs in some folders took at most; None if there are none."""
    ended = []
    for folder in folders:
        try:
            ended.append(((folder / store.MANIFEST).stat().st_mtime, folder))
        except OSError:
            continue
    seconds = []
    megabytes = []
    for _, run in heapq.nlargest(SAMPLE, ended):
        row = _row(run)
        if row and row["status"] == "completed":
            seconds.append(sum(row[f"{bucket}_seconds"] or 0 for bucket in BUCKETS))
            if row["peak_memory_kind"] == RSS and row["peak_memory_bytes"]:
                megabytes.append(row["peak_memory_bytes"] / 1e6)
    return Peak(max(seconds), max(megabytes, default=None)) if seconds else None


def _row(run: Path) -> dict[str, Any] | None:
    """The `runs` row of a folder; None if it cannot be read, which is for its next start to say."""
    try:
        return store.summary_row(run)
    except (store.Damaged, OSError, ValueError):
        return None


def note_out_of_memory(files: Iterable[str]) -> None:
    """Note that a job was killed for its memory; files: its outputs, in the folders of its runs."""
    OUT_OF_MEMORY.update({Path(file).parent.name for file in files})


def defaults(words: Iterable[str]) -> dict[str, int]:
    """The whole numbers among Snakemake's default resources, which it has as `name=value`."""
    matches = (re.fullmatch(r"(\w+)=(\d+)", word) for word in words)
    return {match[1]: int(match[2]) for match in matches if match}
