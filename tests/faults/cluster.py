"""A study on a real Slurm under faults at random, then compared bit for bit with a local one.

    python -m tests.faults.cluster --faults 50 --minutes 25

Slurm is started here on one machine (tests/slurm_cluster.py); it takes its packages, and the right
to mount a small disk for `disk full`, without which that fault is left out.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
import slurm_cluster

from . import intervals
from .clone import ROOT, Clone
from .watch import Completed, changed, unreadable

STUDY = "cluster"
PROFILE = {
    "actstudy-init-seconds-before-status-checks": 2,
    "seconds-between-status-checks": 2,
    "latency-wait": 5,
    "retries": 5,
}
DEFAULTS = [
    "slurm_partition=gpu",
    "runtime=30",
    "mem_mb=2000",
    "slurm_extra='--signal=TERM@60 --open-mode=append'",
]
SPAN = (4.0, 12.0)  # seconds between two faults
SHIM = '#!/bin/sh\nif [ -e {flag} ]; then {then}; fi\nSLURM_CONF={conf} exec {real} "$@"\n'
EVERY = "SLURM_CONF={conf} {real} -h --states=all --format='%i|UNKNOWN'; exit 0"
ANSWERS = {  # what a program of Slurm does instead, for a while
    "sbatch refused": ("sbatch", "echo 'sbatch: error: Batch job submission failed' >&2; exit 1"),
    "status UNKNOWN": ("squeue", EVERY),
    "status empty": ("squeue", "exit 0"),
    "status late": ("squeue", "sleep 8"),
    "status fails": ("squeue", "exit 1"),
}


class Storm:
    """The study in a clone, its Slurm, and the faults so far."""

    def __init__(self, clone: Clone, slurm: slurm_cluster.Cluster, rng: random.Random) -> None:
        self.clone = clone
        self.slurm = slurm
        self.rng = rng
        self.driver: subprocess.Popen[bytes] | None = None
        self.last = ""
        self.done: Counter[str] = Counter()
        self.lost: dict[str, str] = {}  # of a run: the fault after which that was seen first
        self.at_once: dict[str, str] = {}  # of two trainers of a run
        self.starts = 0
        self.results = clone.folder / "results"
        self.completed = Completed(self.results)
        self.faults: dict[str, Callable[[], bool]] = {
            "scancel": lambda: self.on_job("scancel"),
            "scontrol requeue": lambda: self.on_job("scontrol", "requeue"),
            "walltime of one minute": self.shorten,
            "pre-empted": self.preempt,
            "node down": self.lose_node,
            "slurmctld restarted": self.restart,
            "submitter killed": self.kill_driver,
            **{name: lambda name=name: self.answer(name) for name in ANSWERS},
        }
        if os.path.ismount(self.results):
            self.faults["disk full"] = self.fill

    def start(self) -> None:
        """Start snakemake, as a person would after what has happened."""
        self.starts += 1
        output = (self.clone.folder / f"said{self.starts}.txt").open("wb")
        words = ["--configfile", f"config/{STUDY}.yaml", "--until", "tables"]
        environment = {
            **self.clone.environment(),
            "PYTHONPATH": f"{self.clone.folder}/lib:{os.environ.get('PYTHONPATH', '')}",
        }
        environment["PATH"] = f"{self.slurm.bin}:{environment['PATH']}"
        common = {"cwd": self.clone.folder, "env": environment, "stdout": output, "stderr": output}
        snakemake = [sys.executable, "-m", "snakemake", *words]
        subprocess.run([*snakemake, "--unlock"], check=False, **common)
        self.driver = subprocess.Popen([*snakemake, "--profile", "profiles/slurm"], **common)

    def jobs(self, state: str = "R") -> list[str]:
        """The jobs in a state."""
        return self.slurm.ask("squeue", "-h", "-t", state, "-o", "%i").split()

    def on_job(self, *command: str) -> bool:
        """Do something to a running job; whether there was one."""
        running = self.jobs()
        if running:
            self.slurm.ask(*command, self.rng.choice(running))
        return bool(running)

    def shorten(self) -> bool:
        running = self.jobs()
        if running:
            job = self.rng.choice(running)
            self.slurm.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        return bool(running)

    def preempt(self) -> bool:
        there = bool(self.jobs())
        words = ("--gpus=2", "-N1", f"-c{os.cpu_count()}", "-o", "/dev/null", "--wrap", "sleep 3")
        self.slurm.ask("sbatch", "-p", "urgent", *words)
        return there

    def lose_node(self) -> bool:
        node = self.rng.choice(["n1", "n2"])
        words = ("scontrol", "update", f"NodeName={node}")
        self.slurm.ask(*words, "State=DOWN", "Reason=fault")
        time.sleep(5)
        self.slurm.ask(*words, "State=RESUME")
        return True

    def restart(self) -> bool:
        self.slurm.stop_daemon("slurmctld", self.rng.choice([signal.SIGTERM, signal.SIGKILL]))
        time.sleep(self.rng.uniform(0, 6))
        self.slurm.start_controller()
        return True

    def kill_driver(self) -> bool:
        assert self.driver
        self.driver.kill()
        self.driver.wait()
        return True

    def answer(self, name: str) -> bool:
        """Let a program of Slurm answer otherwise for a while."""
        program, then = ANSWERS[name]
        flag = self.slurm.folder / "otherwise"
        real = slurm_cluster.program(program)
        script = self.slurm.bin / program
        text = script.read_text()
        then = then.format(conf=self.slurm.conf, real=real)
        shim = SHIM.format(flag=flag, then=then, conf=self.slurm.conf, real=real)
        flag.touch()
        draft = script.with_suffix(".new")
        draft.write_text(shim)
        draft.chmod(0o755)
        draft.replace(script)
        time.sleep(10)
        flag.unlink()
        draft.write_text(text)
        draft.chmod(0o755)
        draft.replace(script)
        return True

    def fill(self) -> bool:
        """Leave no room on the disk of the results for a while."""
        ballast = self.results / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
        time.sleep(6)
        ballast.unlink()
        return True

    def run(self, faults: int, until: float) -> None:
        """One study to its end, with faults as long as some are left and there is time."""
        self.start()
        assert self.driver
        self.completed = Completed(self.results)
        while True:
            end = time.monotonic() + self.rng.uniform(*SPAN)
            while time.monotonic() < end and self.driver.poll() is None:
                time.sleep(0.5)
                self.slurm.hurry()
            self.look()
            if self.driver.poll() == 0:
                return
            if self.driver.poll() is not None:
                time.sleep(1)
                self.start()
            elif self.done.total() < faults and time.monotonic() < until:
                rare = min(self.faults, key=lambda name: (self.done[name], self.rng.random()))
                self.last = rare if rare != self.last else self.rng.choice(list(self.faults))
                if self.faults[self.last]():
                    self.done[self.last] += 1
                    print(f"{time.strftime('%X')} {self.last}", file=sys.stderr, flush=True)

    def look(self) -> None:
        """Note what was lost or trained twice at once since the last fault, and what is done."""
        for fault in self.completed.lost():
            self.lost.setdefault(fault, self.last)
        for pair in intervals.count(self.clone).at_once:
            self.at_once.setdefault(pair, self.last)
        self.completed.look()


def prepare(folder: Path, text: str, calmly: bool = True) -> tuple[Clone, Path]:
    """A clone with a study and its profile, and the results of the study without Slurm and faults.

    calmly: whether to train it; else the second folder is not there.
    """
    clone = Clone(folder / "clone", {STUDY: text})
    intervals.note_in(clone)
    file = clone.folder / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**profile, **PROFILE, "default-resources": DEFAULTS}))
    calm = folder / "calm"
    if not calmly:
        return clone, calm
    words = ["--configfile", f"config/{STUDY}.yaml", "--until", "tables", "--cores", "2"]
    environment = clone.environment()
    environment["PYTHONPATH"] += f":{os.environ.get('PYTHONPATH', '')}"
    command = [sys.executable, "-m", "snakemake", *words, "--resources", "gpu=0", "--quiet", "all"]
    quiet = {"stdout": subprocess.DEVNULL}
    subprocess.run(command, cwd=clone.folder, env=environment, check=True, **quiet)
    (clone.folder / "results").rename(calm)
    (clone.folder / intervals.FILE).unlink()
    shutil.rmtree(clone.folder / ".snakemake")
    return clone, calm


@contextlib.contextmanager
def small_disk(place: Path):
    """A disk of 80 MB at a folder, if mounting is allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)


def main() -> int:
    """Prints a row per fault, and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if reason := slurm_cluster.lacks():
        print(reason)
        return 2
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        text = (Path(__file__).parent / "cluster.yaml").read_text()
        clone, calm = prepare(Path(name).resolve(), text)
        until = time.monotonic() + 60 * arguments.minutes
        Path(name).chmod(0o755)
        with (
            small_disk(clone.folder / "results"),
            slurm_cluster.running(Path(name) / "slurm") as slurm,
        ):
            storm = Storm(clone, slurm, random.Random(arguments.seed))
            studies = 0
            while storm.done.total() < arguments.faults and time.monotonic() < until:
                storm.run(arguments.faults, until)
                differing = changed(calm, storm.results, STUDY) + unreadable(storm.results)
                wrong += differing
                studies += 1
                print(f"study {studies}: {len(differing)} wrong", file=sys.stderr, flush=True)
                for old in ("runs", STUDY, "references"):
                    shutil.rmtree(storm.results / old, ignore_errors=True)
            trained = intervals.count(clone)
    print(table(storm))
    print(f"\n{storm.done.total()} faults in {studies} studies, {storm.starts} starts")
    print(
        f"{trained.trainings} trainings of {trained.runs} runs by {trained.processes} processes, "
        f"{trained.waits} waits for a lock"
    )
    faults = {"wrong": wrong, "lost": [*storm.lost], "trained twice at once": trained.at_once}
    for what, entries in faults.items():
        print(f"{what}: {len(entries)}" + "".join(f"\n  {line}" for line in entries[:20]))
    return int(any(faults.values()))


def table(storm: Storm) -> str:
    """A row per fault: how often, and what came of it before the next one."""
    lost = Counter(storm.lost.values())
    at_once = Counter(storm.at_once.values())
    head = ["| fault | times | runs lost | trained twice at once |", "|---|---|---|---|"]
    rows = [
        f"| {fault} | {times} | {lost[fault]} | {at_once[fault]} |"
        for fault, times in sorted(storm.done.items())
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    assert ROOT
    sys.exit(main())
