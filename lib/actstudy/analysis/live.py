"""A study as a table that is drawn anew: a row per task, and what the machine does."""

import shutil
import time
from collections import Counter
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from actstudy.analysis.watch import Watch
from actstudy.contract import host
from actstudy.contract.errors import visible
from actstudy.contract.schema import FAILED

COLUMNS = ("task", "done", "running", "failed", "diverged", "waiting", "left")
IN_COLUMNS = ("completed", "running", "failed", "diverged")
NOT_WAITING = (*IN_COLUMNS, "ended")  # an ended run may not be read yet


@dataclass(frozen=True)
class Row:
    """What is known of a task: how many of its runs are how, and how long those to come take."""

    task: str
    total: int
    counts: Counter[
        str
    ]  # of IN_COLUMNS, and of runs that have ended and are not read yet; others wait
    rest: str

    @property
    def waiting(self) -> int:
        """Runs that neither train nor have ended."""
        return self.total - sum(self.counts[name] for name in NOT_WAITING)

    def cells(self) -> list[str]:
        """The entries of the table's row, in the order of COLUMNS."""
        numbers = [*map(self.counts.__getitem__, IN_COLUMNS[1:]), self.waiting]
        texts = [f"{number or ''}" for number in numbers]
        done = f"{self.counts['completed']} of {self.total}"
        return [visible(self.task), done, *texts, self.rest]


def rows(watch: Watch) -> list[Row]:
    """A row per task, by the watch's last look."""
    return [_row(watch, task) for task in watch.study.tasks]


def _row(watch: Watch, task: str) -> Row:
    folders = {run: path for run, path in watch.folders.items() if path.parent.name == task}
    counts: Counter[str] = Counter()
    for run in folders:
        name = watch.states.get(run, "waiting")
        if name in FAILED or name.startswith("damaged"):
            name = "failed"
        counts[name] += 1
    rest = watch.forecast(task)
    return Row(task, len(folders), counts, str(rest) if rest.todo else "")


def table(watch: Watch) -> Table:
    """The rows, and below them the whole study, the disk and the GPUs."""
    title = f"study {visible(watch.study.name)}: {watch.counts()}"
    drawn = Table(*COLUMNS, title=title, box=box.SIMPLE)
    drawn.title_justify = drawn.caption_justify = "left"
    for column in drawn.columns[1:-1]:
        column.justify = "right"
    for row in rows(watch):
        drawn.add_row(*row.cells())
    drawn.caption = "\n".join([f"all: {watch.forecast()}", *machine(watch)])
    return drawn


def machine(watch: Watch) -> list[str]:
    """A line on the disk of the results, and one on this machine's GPUs if there are any."""
    folder = next(iter(watch.folders.values())).parents[1]
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    usage = shutil.disk_usage(place)
    lines = [f"disk: {usage.free / 1e9:.1f} of {usage.total / 1e9:.0f} GB free"]
    loads = [host.load(gpu) for gpu in host.gpus()]
    if busy := [f"{load.busy}%" for load in loads if load]:
        lines.append(f"GPUs here, busy: {', '.join(busy)}")
    return lines


def show(watch: Watch, seconds: float, console: Console | None = None) -> None:
    """Draw the table until no run is left to train; seconds: between two looks at the runs.

    All rows are read first, so that each run that has ended is shown as it ended.
    """
    watch.look(max_read=None)
    with Live(table(watch), console=console, auto_refresh=False) as display:
        while watch.forecast().todo:
            time.sleep(seconds)
            watch.look(max_read=None)
            display.update(table(watch), refresh=True)
