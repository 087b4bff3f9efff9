"""What `make study` shows while it runs: a live line on a terminal, else a line now and then."""

import dataclasses
import re
import sys
import time
from collections import Counter, deque
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from actstudy.analysis import forecast
from actstudy.analysis.forecast import folders_of
from actstudy.analysis.markdown import cell_name
from actstudy.contract import frameworks, locks, store
from actstudy.contract.errors import visible
from actstudy.contract.schema import FAILED
from actstudy.contract.store import RUNS
from actstudy.study.planning import Study

PLAIN_SECONDS = 30.0  # between lines if there is no terminal
LIVE_SECONDS = 1.0  # between looks at the runs' folders if there is one
MAX_READ = 200  # rows per look, so that a large study that is done does not hold up the display
MEMORY = 20  # looks: between two runs a process is not seen, so the most of the last ones count
TRAINED_AGAIN = f"damaged, {store.TRAINED_AGAIN}"
RUN_LINE = re.compile(r"(\w+) (\S+): completed, (.*)")  # what a trainer prints of a run


class Watch:
    """A study's runs as their folders show them; ended ones are read once."""

    def __init__(self, study: Study, room: int | None = None, root: Path = RUNS) -> None:
        """room: processes that may train at a time; None: those of this machine."""
        self.study = study
        self._root = root
        self._planned = -1
        self._room = room or forecast.room(study)
        self._jobs = forecast.jobs_of(study)
        self._processes: deque[int] = deque(maxlen=MEMORY)  # of looks at which some trained
        self._rows: dict[str, dict[str, object]] = {}  # of runs that have ended
        self.comparisons = forecast.comparisons_of([])
        self.look()

    def look(self, max_read: int | None = MAX_READ) -> None:
        """Read what has changed since the last look; max_read: rows, None for all.

        Runs that have ended and are not read yet are `ended`.
        """
        decisions = len(list(Path(self.study.folder, "plan").glob("*.json")))
        if decisions != self._planned:  # other runs may be asked for now
            self._planned = decisions
            runs = self.study.tuning + self.study.runs()
            self.folders = folders_of(runs, self._root)
            self.names = {
                run.id: f"{cell_name(run.level, run.group)}, seed {run.spec.seed}" for run in runs
            }
            self._keras = [run.spec for run in runs if run.spec.framework != frameworks.TORCH]
            self.comparisons = forecast.comparisons_of(self._keras, self._root)
        elif self.comparisons.todo:
            self.comparisons = forecast.comparisons_of(self._keras, self._root)
        self.states = {run: str(row["status"]) for run, row in self._rows.items()}
        n_read = 0
        for run, folder in self.folders.items():
            if run in self._rows:
                continue
            if (folder / store.MANIFEST).is_file():
                self.states[run] = "ended"
                if max_read is None or n_read < max_read:
                    n_read += self._read(run, folder)
            elif folder.is_dir() and locks.holder(folder):
                self.states[run] = "running"
        if self.running:
            self._processes.append(forecast.processes(self.running))

    def _read(self, run: str, folder: Path) -> bool:
        """Note how a run has ended; whether its row was read, to be kept: `damaged` may change."""
        try:
            self._rows[run] = store.summary_row(folder)
        except (store.Damaged, OSError, ValueError):
            repair = store.repair(folder)
            self.states[run] = f"damaged, {repair}" if repair else "damaged"
            return False
        self.states[run] = str(self._rows[run]["status"])
        return True

    @property
    def running(self) -> list[Path]:
        """Folders of the runs that train now."""
        return [self.folders[run] for run, state in self.states.items() if state == "running"]

    def forecast(self, task: str = "") -> forecast.Forecast:
        """What is left to train, of a task or of all, then with the comparisons with torch."""
        jobs = set()
        tasks = [task] if task else [*self.study.tasks]
        todo: dict[str, list[Path]] = {name: [] for name in tasks}
        done: dict[str, list[float]] = {name: [] for name in tasks}
        for run, folder in self.folders.items():
            if folder.parent.name not in todo:
                continue
            if self.states.get(run, "running") in ("running", TRAINED_AGAIN):
                todo[folder.parent.name].append(folder)
                jobs.add(self._jobs[run])
            elif self.states[run] == "completed":
                done[folder.parent.name].append(forecast.seconds_of(self._rows[run]))
        processes = min(max(self._processes, default=self._room), max(len(jobs), 1))
        rest = forecast.total(todo, self.running, done, processes)
        more = 0.0 if task else self.comparisons.seconds
        return dataclasses.replace(rest, seconds=rest.seconds + more)

    def counts(self) -> str:
        """How many runs have completed, failed, diverged or are damaged, and what is compared."""
        counts = Counter(self.states.get(run, "waiting") for run in self.folders)
        text = f"{counts['completed']} of {len(self.folders)} runs completed"
        counts["failed"] = sum(counts[state] for state in FAILED)
        damaged = sorted(word for word in counts if word.startswith("damaged"))
        for word in ("failed", "diverged", "ended", *damaged):
            if counts[word]:
                text += f", {counts[word]} {word}"
        if compared := self.comparisons.count:
            text += f", {compared}"
        return text

    def stopping(self) -> str:
        """A line that says what happens after Ctrl-C."""
        n = len(self.running)
        return f"stopping: {n} {'runs save their' if n != 1 else 'run saves its'} state\n"

    def line(self) -> str:
        """The counts, how many runs train now, and how long the rest will take."""
        rest = self.forecast()
        if not rest.todo:
            return f"{self.counts()}; all are trained"
        return f"{self.counts()}, {len(self.running)} running; {rest}"


class Display:
    """Prints lines of jobs, and below them how far the study is.

    On a terminal the last line is replaced every second; without one a line every half minute.
    """

    def __init__(self, watch: Watch, stream: TextIO | None = None) -> None:
        self._watch = watch
        self._console = Console(file=stream or sys.stdout, soft_wrap=True)
        self._seconds = LIVE_SECONDS if self._console.is_terminal else PLAIN_SECONDS
        self._next = time.monotonic()
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                BarColumn(20),
                TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("preparing", total=None)

    def __enter__(self) -> "Display":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def copy(self, text: str, stream: TextIO) -> None:
        """Print lines of a job; a completed run by the name of its cell."""
        text = "".join(map(self._named, text.splitlines(keepends=True)))
        if text and self._bar and stream.isatty():
            self._console.print(text, end="", markup=False, highlight=False)
        elif text:
            print(text, end="", file=stream, flush=True)

    def _named(self, line: str) -> str:
        run = RUN_LINE.match(line)
        if not run or run[2] not in self._watch.names:
            return line
        return visible(f"{run[1]} {self._watch.names[run[2]]}: {run[3]}") + "\n"

    def refresh(self) -> None:
        """Show how far the study is, if that is due."""
        if time.monotonic() < self._next:
            return
        self._watch.look()
        line = self._watch.line()
        if self._bar:
            ended = len(self._watch.states) - len(self._watch.running)
            cells = self._watch.comparisons
            self._bar.update(
                self._bar.task_ids[0],
                description=line,
                completed=ended + cells.total - cells.todo,
                total=len(self._watch.folders) + cells.total,
            )
        else:
            self._console.print(line, markup=False, highlight=False)
        self._next = time.monotonic() + self._seconds
