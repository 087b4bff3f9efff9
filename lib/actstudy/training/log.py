"""What a person sees of a run: a line an epoch in log.txt and on the console, a bar on a terminal."""

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


class Report:
    """Writes one run's log; with `quiet` the console stays silent. pause: seconds between notes for `status`."""

    def __init__(
        self, folder: Path, total_steps: int, quiet: bool, tensorboard: bool, pause: float = 1.0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._progress_file = folder / "progress.json"
        self._total, self._quiet, self._pause, self._last_write = total_steps, quiet, pause, 0.0
        self._log_file = folder / "log.txt"
        self._log = self._log_file.open("ab", buffering=0)  # a full disk is told of where it is met
        self._mirror = _tensorboard(folder) if tensorboard else None
        console = Console(file=sys.stdout)
        self._bar = None
        if console.is_terminal and not quiet:
            columns = (
                TextColumn("step {task.completed}/{task.total}"),
                BarColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._bar.start()
            self._job = self._bar.add_task("training", total=total_steps)

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
        epoch: float,
        scores: Mapping[str, float],
        rate: float | None,
        unit: str,
        train_seconds: float,
    ) -> None:
        """One line for an evaluation: losses and metric, throughput in `unit`, time left in training."""
        left = train_seconds / step * (self._total - step)
        pace = f"{rate:,.0f} {unit}" if rate else f"no {unit} yet"
        shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self.line(f"epoch {epoch:g}  {shown}  {pace}  ETA {left:.0f} s")
        if self._bar:
            self._bar.update(self._job, completed=step)
        if time.monotonic() - self._last_write > self._pause:
            self._last_write = time.monotonic()
            content: dict[str, Any] = {
                "step": step,
                "total_steps": self._total,
                "train_seconds": train_seconds,
                "seconds_left": left,
            }
            store.write_json(self._progress_file, content)

    def mirror(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hand rows of the `curves` table to TensorBoard, where it was asked for."""
        if self._mirror is None:
            return
        for row in rows:
            self._mirror.add_scalar(f"{row['split']}/{row['metric']}", row["value"], row["step"])

    def train_seconds_seen(self) -> float:
        """Training seconds that an earlier process of this run had last reported; 0 where there was none."""
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # a note without a checksum
            return float(json.loads(self._progress_file.read_text())["train_seconds"])
        return 0.0

    def close(self) -> None:
        """End the bar and the files; what an ended run's `progress.json` said is in its tables."""
        if self._bar:
            self._bar.stop()
        if self._mirror:
            self._mirror.close()
        self._log.close()
        self._progress_file.unlink(missing_ok=True)


def _tensorboard(folder: Path) -> Mirror:
    from torch.utils.tensorboard import SummaryWriter  # an extra, and slow to import

    return SummaryWriter(str(folder / "tensorboard"))
