"""How long the rest of a study's runs will take: one estimate, for `status` and `make study`."""

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from actstudy.contract import frameworks, host, locks, parity, store
from actstudy.contract.schema import BUCKETS, FAILED
from actstudy.contract.spec import RunSpec, run_id
from actstudy.contract.store import RUNS, run_folder
from actstudy.study import parities
from actstudy.study.grid import PlannedRun
from actstudy.study.jobs import packs_of
from actstudy.study.planning import Study

FAILED_STATES = (*FAILED, "damaged")
MIN_TIMED = 8  # completed runs of a task, from which it is said how much they vary
NOTE = "progress.json"  # written by a run that trains: seconds so far and seconds left


@dataclass(frozen=True)
class Forecast:
    """What is left to train."""

    todo: int  # runs, those that train now among them
    seconds: float  # of one process, tasks in `untimed` left out
    untimed: tuple[str, ...]  # tasks with runs left, of which none has been timed yet
    processes: int  # that share the work
    error: float | None = None  # seconds of one process, as of `error_of`; None: not known

    def __str__(self) -> str:
        if not self.todo:
            return "nothing left to train"
        untimed = f"no run of {', '.join(self.untimed)} has been timed yet"
        if not self.seconds:
            return f"no estimate: {untimed}"
        seconds = self.seconds / self.processes
        text = f"about {duration(seconds)} left{self.error_text}"
        if self.untimed:
            return f"{text} and more: {untimed}"
        return f"{text}, until {clock(seconds)}"

    @property
    def error_text(self) -> str:
        """` (± 2 min)`: how far the estimate may be off; empty if that is not known."""
        if self.error is None:
            return ""
        return f" (± {duration(self.error / self.processes)})"


def folders_of(runs: Sequence[PlannedRun], root: Path = RUNS) -> dict[str, Path]:
    """Run -> where its tables are."""
    return {run.id: run_folder(run.spec, root) for run in runs}


def seconds_left(todo: Collection[Path], running: Collection[Path], done: Sequence[float]) -> float:
    """Seconds of one process that the runs of a task still take; 0 if none has been timed.

    todo: folders of all its runs that have not ended, `running` of those that train now; done:
    seconds of its completed runs. Before one has completed, those that train now say how long one
    takes.
    """
    notes = [store.read_note(folder / NOTE, {}) for folder in running]
    begun = [note for note in notes if "seconds_left" in note]
    whole = done or [note["train_seconds"] + note["seconds_left"] for note in begun]
    if not whole:
        return 0.0
    mean = statistics.fmean(whole)
    rest = mean * (len(todo) - len(begun))
    return rest + sum(float(note["seconds_left"]) for note in begun)


def error_of(n_todo: int, done: Sequence[float]) -> float | None:
    """Half the 95% interval of what `n_todo` runs take together; None if it cannot be known.

    done: seconds of n completed runs, with a standard deviation s. Those to come vary by
    `s sqrt(n_todo)`, and their mean is known up to `s / sqrt(n)`: together
    `t s sqrt(n_todo + n_todo^2 / n)`, with Student's t of n - 1 degrees of freedom, if those that
    have ended are a sample of all. Slower settings that come last, and other machines, are not in
    it.
    """
    if not n_todo:
        return 0.0
    if len(done) < MIN_TIMED:
        return None
    from scipy import special  # late: a sixth of a second, for what is left alone

    t = float(special.stdtrit(len(done) - 1, 0.975))
    return t * statistics.stdev(done) * math.sqrt(n_todo + n_todo**2 / len(done))


def total(
    todo: Mapping[str, Collection[Path]],
    running: Collection[Path],
    done: Mapping[str, Sequence[float]],
    processes: int,
) -> Forecast:
    """What is left of all tasks; todo, done: of each task as in `seconds_left`.

    processes: as many as share the work.
    """
    running_of: dict[str, list[Path]] = {}
    for folder in running:
        running_of.setdefault(folder.parent.name, []).append(folder)
    seconds = 0.0
    untimed = []
    for task, folders in todo.items():
        of_task = seconds_left(folders, running_of.get(task, ()), done.get(task, ()))
        seconds += of_task
        if folders and not of_task:
            untimed.append(task)
    n_todo = sum(map(len, todo.values()))
    error = total_error({task: len(todo[task]) for task in todo}, done)
    return Forecast(n_todo, seconds, tuple(untimed), processes, error)


def total_error(todo: Mapping[str, int], done: Mapping[str, Sequence[float]]) -> float | None:
    """The errors of all tasks together, as `error_of`; None if that of one is not known."""
    squares = 0.0
    for task, n_todo in todo.items():
        error = error_of(n_todo, done.get(task, ()))
        if error is None:
            return None
        squares += error**2
    return math.sqrt(squares)


@dataclass(frozen=True)
class Comparisons:
    """The cells of Keras runs that are compared with torch before their runs train."""

    todo: int
    each: float  # seconds of those that have been made; 0 if none has
    total: int  # those that are made or need none any more, too

    @property
    def seconds(self) -> float:
        """What is left takes of one process; 0 if none has been timed."""
        return self.todo * self.each

    def __str__(self) -> str:
        noun = "comparison"
        if self.todo > 1:
            noun = "comparisons"
        words = f"{self.todo} {noun} of Keras with torch left"
        if not self.each:
            return f"{words}, not timed yet"
        return f"{words}, about {duration(self.each)} each"

    @property
    def count(self) -> str:
        """How many cells are compared, in words; empty if none is left."""
        if not self.todo:
            return ""
        return f"{self.total - self.todo} of {self.total} framework cells compared"


def comparisons(study: Study, root: Path = RUNS) -> Comparisons:
    """What is left to compare with torch; root: of the runs."""
    return comparisons_of([run.spec for run in study.tuning + study.runs()], root)


def comparisons_of(specs: Iterable[RunSpec], root: Path = RUNS) -> Comparisons:
    """What is left to compare with torch before runs train; root: of the runs."""
    keras = [spec for spec in specs if spec.framework != frameworks.TORCH]
    to_do = parities.to_compare(keras, root)
    each = parities.seconds_each(keras, root)
    return Comparisons(len(to_do), each, len({parity.path(spec) for spec in keras}))


def processes(running: Iterable[Path]) -> int:
    """How many processes train these runs now; those of a pack are trained by one."""
    return len({locks.holder(folder) for folder in running} - {None})


def room(study: Study, cores: int | None = None, gpus: int | None = 1) -> int:
    """How many processes may train at a time on this machine.

    cores, gpus: `--cores` and `--resources gpu` of snakemake, which is 1 unless it is given; None:
    no limit.
    """
    n_cores = min(host.cores(), cores or host.cores())
    n_gpus = len(host.gpus()) if study.device != "cpu" else 0
    if gpus is not None:
        n_gpus = min(n_gpus, gpus)
    slots = study.slots_per_gpu
    if isinstance(slots, str):
        slots = 1  # at least: how many share a GPU is not known before
    return min(n_gpus * slots or n_cores, n_cores)


def jobs_of(study: Study) -> dict[str, str]:
    """Run -> the job that trains it: itself, or its pack, which is one process."""
    jobs = {run.id: run.id for run in study.tuning + study.possible}
    for pack, members in packs_of(study).items():
        jobs.update((run_id(member), pack) for member in members)
    return jobs


def seconds_of(row: Mapping[str, Any]) -> float:
    """Seconds of its process that a run took, of a pack's its share; row: its row of `runs`."""
    return sum(row.get(f"{bucket}_seconds") or 0 for bucket in BUCKETS)


def duration(seconds: float) -> str:
    """Seconds in words of two units at most: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def clock(seconds: float, now: datetime | None = None) -> str:
    """The local time in `seconds` from now, with its date unless that is today's."""
    now = now or datetime.now()
    end = now + timedelta(seconds=seconds)
    return f"{end:%H:%M}" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M}"
