"""A study's jobs in Slurm's queue, as `squeue` lists them: by their name, in this folder."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from actstudy.cluster import logs, slurm

FORMAT = "%i|%j|%T|%r|%M|%N|%k|%Z"
MAX_LISTED = 20
NOT_LAUNCHED = "launch failed requeued held"  # its node had not ended its last try
STARTED = ("RUNNING", "COMPLETING")


class Job(NamedTuple):
    """A job in the queue."""

    number: str
    state: str  # RUNNING, PENDING, ...
    reason: str  # for which it waits
    time: str  # that it has run, D-HH:MM:SS
    node: str
    work: str  # its rule and wildcards


def job_name(results: Path, number: str) -> str:
    """The name of all jobs that one snakemake submits; results: the folder of its study.

    number: of that snakemake, which no other has.
    """
    return f"{re.sub('[^A-Za-z0-9]+', '-', str(results))}_{number}"


def jobs(results: Path) -> list[Job] | None:
    """The jobs of a study that Slurm has in its queue; None if it does not answer."""
    answer = slurm.ask("squeue", "--me", "-h", "-o", FORMAT)
    if answer is None:
        return None
    own = job_name(results, "")
    listed = []
    for line in answer.splitlines():
        number, name, state, reason, time, node, work, folder = line.split("|", 7)
        if name.startswith(own) and folder == str(Path.cwd()):
            listed.append(Job(number, state, reason, time, node, work.removeprefix("rule_")))
    return listed


def place(job: Job) -> str:
    """Where a job runs, or why it waits."""
    if job.state in STARTED:
        return f"{job.time} on {job.node}"
    remedy = f"; to fix: scontrol release {job.number}" if job.reason == NOT_LAUNCHED else ""
    return f"({job.reason}{remedy})"


def describe(results: Path) -> Iterator[str]:
    """Lines on a study's jobs in the queue, if it has ever had any there."""
    if not (results / logs.FOLDER).is_dir():
        return
    listed = jobs(results)
    if listed is None:
        yield "Slurm: squeue does not answer; which jobs wait or run is not known"
        return
    states = Counter(job.state.lower() for job in listed)
    counts = ", ".join(f"{n} {state}" for state, n in states.most_common())
    yield f"Slurm: {counts or 'no job in the queue'}"
    ordered = sorted(listed, key=lambda job: job.state not in STARTED)
    for job in ordered[:MAX_LISTED]:
        yield f"  job {job.number:<8} {job.state.lower():<10} {place(job)}  {job.work}"
    if len(ordered) > MAX_LISTED:
        yield f"  and {len(ordered) - MAX_LISTED} more"
