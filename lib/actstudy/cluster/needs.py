"""What a job of runs asks Slurm for: time and memory, from what such runs took before."""

import functools
import heapq
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actstudy.contract import store
from actstudy.contract.schema import BUCKETS
from actstudy.contract.spec import RunSpec

SAMPLE = 20  # ended runs of a task that are read: the newest
SLOWER = 2.0  # nodes differ, and file systems
START_MINUTES = 5  # a process on a slow file system
MORE_MEMORY = 1.3
OWN_MB = 500  # of the two processes of Snakemake in a job
RSS = "process RSS"


class Peak(NamedTuple):
    """What the ended runs of a task took at most."""

    seconds: float  # of a run, everything in it
    megabytes: float | None  # of a process; None if only the memory of GPUs is known


class Needs(NamedTuple):
    """Makes the resources of training jobs. defaults: those of the profile, by name."""

    defaults: dict[str, Any]
    root: Path = store.RUNS

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
        took = peak_of(self.root / members[0].task_name)
        if took is None:
            return most
        seconds = SLOWER * took.seconds * len(members)
        return min(most, attempt * (START_MINUTES + math.ceil(seconds / 60)))

    def _megabytes(self, members: Sequence[RunSpec], attempt: int) -> int:
        """The profile's memory for the first runs, then more than they took; more if retried."""
        took = peak_of(self.root / members[0].task_name)
        needed = float(self.defaults["mem_mb"])
        if took is not None and took.megabytes is not None:
            needed = OWN_MB + MORE_MEMORY * took.megabytes
        return math.ceil(needed * attempt)


@functools.cache
def peak_of(folder: Path) -> Peak | None:
    """What the newest ended runs in a task's folder took at most; None if none has ended."""
    ended = []
    for manifest in folder.glob(f"*/{store.MANIFEST}"):
        try:
            ended.append((manifest.stat().st_mtime, manifest.parent))
        except OSError:
            continue
    seconds = []
    megabytes = []
    for _, run in heapq.nlargest(SAMPLE, ended):
        if row := _row(run):
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


def defaults(words: Iterable[str]) -> dict[str, int]:
    """The whole numbers among Snakemake's default resources, which it has as `name=value`."""
    matches = (re.fullmatch(r"(\w+)=(\d+)", word) for word in words)
    return {match[1]: int(match[2]) for match in matches if match}
