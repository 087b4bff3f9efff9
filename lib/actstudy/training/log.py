"""What a person sees of a run: a line per evaluation in log.txt and on the console, and a bar."""

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from actstudy.contract import locks, store


class Mirror(Protocol):
    """Where curves are mirrored to; torch's SummaryWriter is one."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object: ...

    def close(self) -> None: ...


class Log:
    """Writes one run's log; with `quiet` the console stays silent.

    pause: seconds between updates of `progress.json`, which `status` reads.
    """

    def __init__(self, folder: Path, quiet: bool, tensorboard: bool, pause: float = 1.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._progress_file = folder / "progress.json"
        self._quiet = quiet
        self._pause = pause
        self._last_write = 0.0
        self._log_file = folder / "log.txt"
        self._log = self._log_file.open("ab", buffering=0)  # a full disk is an error of that line
        self._mirror = _tensorboard(folder) if tensorboard else None
        self._bar = None if quiet else _bar()

    def line(self, text: str) -> None:
        """Append a line to log.txt and, unless quiet, print it."""
        with locks.naming(self._log_file):
            self._log.write(
                f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}\n".encode()
            )
        if self._bar:
            self._bar.console.print(text, highlight=False, markup=False)
        elif not self._quiet:
            print(text, flush=True)

    def evaluated(
        self,
        step: int,
        total_steps: int,
        epoch: float,
        scores: Mapping[str, float],
        rate: float | None,
        unit: str,
        train_seconds: float,
    ) -> None:
        """Write an evaluation's line: scores, throughput in `unit`, training time left."""
        left = train_seconds / step * (total_steps - step)
        pace = f"{rate:,.0f} {unit}" if rate else f"no {unit} yet"
        columns = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self.line(f"epoch {epoch:g}  {columns}  {pace}  ETA {left:.0f} s")
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=step, total=total_steps)
        if time.monotonic() - self._last_write > self._pause:
            self._last_write = time.monotonic()
            content: dict[str, Any] = {
                "step": step,
                "total_steps": total_steps,
                "train_seconds": train_seconds,
                "seconds_left": left,
            }
            with store.replacing(self._progress_file, lasts=False) as draft:
                draft.write_text(store.json_text(content), encoding="utf-8")

    def mirror(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hand rows of the `curves` table to TensorBoard if it is on."""
        if self._mirror is None:
            return
        for row in rows:
            self._mirror.add_scalar(f"{row['split']}/{row['metric']}", row["value"], row["step"])

    def train_seconds_seen(self) -> float:
        """Training seconds that an earlier process of this run noted last; 0 if there was none."""
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # a note without a checksum
            return float(json.loads(self._progress_file.read_text())["train_seconds"])
        return 0.0

    def close(self) -> None:
        """End the bar and the files; an ended run's tables replace its `progress.json`."""
        if self._bar:
            self._bar.stop()
        if self._mirror:
            self._mirror.close()
        self._log.close()
        self._progress_file.unlink(missing_ok=True)


def _bar() -> Progress | None:
    """A running bar on a terminal, else None."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        return None
    steps = TextColumn("step {task.completed}/{task.total}")
    bar = Progress(steps, BarColumn(), TimeRemainingColumn(), console=console, transient=True)
    bar.start()
    bar.add_task("training", total=None)
    return bar


def _tensorboard(folder: Path) -> Mirror:
    from torch.utils.tensorboard import SummaryWriter  # an extra, and slow to import

    return SummaryWriter(str(folder / "tensorboard"))
