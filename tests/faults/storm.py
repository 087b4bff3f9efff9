"""A grid killed again and again, then compared bit for bit with one that was left in peace.

    python -m tests.faults.storm --kills 200

SIGKILL of a trainer, of snakemake, of `make study` alone, of all of them, at random times and at
every write point.
"""

import argparse
import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .clone import Clone
from .points import asked, points, studies
from .watch import Completed, changed, drafts, unreadable

STUCK = 600.0  # seconds after which a start that does not end needs a hand


@dataclass
class Storm:
    """A clone under fire, and what came of it."""

    clone: Clone
    rng: random.Random
    span: float  # seconds that a trainer lives
    targets: dict[str, list[str]]  # study -> files that are asked for
    completed: Completed
    kills: Counter[str] = field(default_factory=Counter)
    hit: set[str] = field(default_factory=set)  # write points at which something died
    faults: dict[str, list[str]] = field(
        default_factory=lambda: {"lost": [], "bits": [], "unreadable": [], "locks": []}
    )
    rounds: int = 0
    per_start: int = 1  # trainers killed at random times in a start

    def kill(self, victim: str, going: subprocess.Popen[bytes]) -> None:
        """Kill a trainer, the driver, `make study` alone, or all; counted if there was one."""
        self.completed.look()
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended a moment before
            if self._strike(victim, going):
                self.kills[victim] += 1

    def _strike(self, victim: str, going: subprocess.Popen[bytes]) -> bool:
        """Kill whom `kill` names; returns whether there was one."""
        trainers, driver = self.clone.trainers(), self.clone.driver()
        if victim == "group" and going.poll() is None:
            os.killpg(going.pid, signal.SIGKILL)
        elif victim == "make" and going.poll() is None:
            going.kill()
        elif victim == "trainer" and trainers:
            self.rng.choice(trainers).kill()
        elif victim == "driver" and driver:
            driver.kill()
        else:
            return False
        return True

    def start(self, study: str, point: str) -> None:
        """One start: somebody dies at the point, trainers at random, then the driver or all."""
        before, began = self.clone.logs(), time.monotonic()
        fault = ":".join([*point.split(":")[:1], "kill", *point.split(":")[1:]]) if point else ""
        going = self.clone.start(study, self.targets[study], fault)
        while (
            going.poll() is None and not self.clone.trainers() and time.monotonic() - began < STUCK
        ):
            time.sleep(0.1)
        if point:
            self.wait(lambda: self.clone.deaths(before) > 0, 3 * self.span, going)
            died = self.clone.deaths(before)
            self.kills["at a write point"] += died
            self.hit |= {point} if died else set()
        else:
            time.sleep(self.rng.uniform(0, self.span))
        for _ in range(self.per_start):
            self.kill("trainer", going)
            time.sleep(self.rng.uniform(0, self.span / 2 / self.per_start))
        self.kill(
            self.rng.choice(
                ["driver", "driver", "group", "group", "make" if not point else "group"]
            ),
            going,
        )
        self.wait(lambda: False, 2.0, going)
        if going.poll() is None:  # whom it meant to kill was not there yet
            self.kill("group", going)
            going.wait()
        self.judge(going)

    def wait(self, happened: object, seconds: float, going: subprocess.Popen[bytes]) -> None:
        """Wait until it happened, the start has ended or the time is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and going.poll() is None and not happened():  # type: ignore[operator]
            time.sleep(0.2)

    def judge(self, going: subprocess.Popen[bytes]) -> None:
        """Note what this start has cost."""
        said = self.clone.said()
        if going.poll() == 2 or "LockException" in said or "Traceback" in said:
            self.faults["locks"].append(said.strip().splitlines()[-1])
        self.faults["lost"] += self.completed.lost()
        self.faults["unreadable"] += unreadable(self.completed.results)

    def finish(self, study: str, *wanted: str) -> None:
        """Drive a study to its end, as a person would: one start."""
        going = self.clone.start(study, wanted)
        try:
            status = going.wait(STUCK)
        except subprocess.TimeoutExpired:
            status = None
        if status:
            self.faults["locks"].append(f"{study}: {self.clone.said()[-500:]}")
        self.judge(going)

    def end_round(self, calm: Path) -> None:
        """Drive every study to its tables, compare, and begin again without runs."""
        for study, wanted in self.targets.items():
            self.finish(study, *wanted)
        for study in self.targets:
            self.faults["bits"] += changed(calm, self.completed.results, study)
        self.rounds += 1

    def clear(self) -> None:
        """Forget all runs, so that there is something to break again; prepared data stay."""
        self.clone.end()
        time.sleep(0.5)
        for name in ("runs", *self.targets):
            shutil.rmtree(self.completed.results / name, ignore_errors=True)
        self.completed = Completed(self.completed.results)

    def unfinished(self) -> list[str]:
        """Studies of which something that is asked for is not there yet."""
        missing = {
            study: [file for file in files if not (self.clone.folder / file).is_file()]
            for study, files in self.targets.items()
        }
        return [study for study, files in missing.items() if files]


def storm(
    kills: int,
    seed: int,
    folder: Path,
    small: bool = False,
    looks: bool = True,
    whole: bool = True,
    per_start: int = 1,
    python: str = "",
) -> Storm:
    """The storm over: `kills` kills, then driven to the end and compared.

    python: the program that jobs run, else the project's own.
    """
    names = studies(small, looks)
    calm, clone, began = (
        Clone(folder / "calm", names, python=python),
        Clone(folder / "storm", names, python=python),
        time.monotonic(),
    )
    targets = {name: files for name, files in asked(clone.folder, small).items() if name in names}
    for study, files in targets.items():
        assert calm.start(study, files).wait() == 0, calm.said()
    shutil.copytree(calm.folder / "results/data", clone.folder / "results/data")
    n = len(list(calm.folder.glob("results/runs/*/*/manifest.json")))
    span = max(2.0, 2 * (time.monotonic() - began) / n)
    print(f"undisturbed: {n} runs in {time.monotonic() - began:.0f} s", flush=True)
    rng = random.Random(seed)
    completed = Completed(clone.folder / "results")
    made = Storm(clone, rng, span, targets, completed, per_start=per_start)
    for point in points(rng):
        if sum(made.kills.values()) >= kills:
            break
        if not made.unfinished():
            made.end_round(calm.folder / "results")
            made.clear()
        made.start(rng.choice(made.unfinished() or list(names)), point)
        wrong = ", ".join(f"{len(found)} {kind}" for kind, found in made.faults.items())
        spent = f"{time.monotonic() - began:5.0f} s, grid {made.rounds + 1}"
        print(
            f"{spent}: {sum(made.kills.values())} kills; {wrong}; {point or 'at random'}",
            flush=True,
        )
    made.end_round(calm.folder / "results")
    for study in names if whole else ():
        made.finish(study)
    return made


def report(made: Storm, seconds: float) -> str:
    """What a storm has cost, as text."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in made.kills.most_common())
    lines = [
        f"kills: {sum(made.kills.values())} ({kinds}), {len(made.hit)} write points, "
        f"{made.rounds} grids to their end",
        f"completed runs lost: {len(made.faults['lost'])}",
        f"bits changed: {len(made.faults['bits'])} tables",
        f"unreadable files: {len(made.faults['unreadable'])}",
        f"locks that needed a hand: {len(made.faults['locks'])}",
        f"drafts left: {len(drafts(made.completed.results))}",
        f"wall time: {seconds:.0f} s",
        *itertools.chain(*made.faults.values()),
    ]
    return "\n".join(lines)


def main() -> int:
    """1 where anything was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--small", action="store_true", help="4 cells instead of 24, no study tables"
    )
    parser.add_argument("--looks", action=argparse.BooleanOptionalAction, default=True)
    asked, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="storm") as folder:
        made = storm(asked.kills, asked.seed, Path(folder), asked.small, asked.looks)
        print(report(made, time.monotonic() - began))
        made.clone.end()
    return int(any(made.faults.values()))


if __name__ == "__main__":
    sys.exit(main())
