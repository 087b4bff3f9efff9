"""A disk that is full at each write point, and a real one of 2 MB: one line says so, and the same
command ends the run.

python -m tests.faults.full_disk
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actstudy.commands import cli
from actstudy.contract import schema, spec, store
from actstudy.data import prepared
from actstudy.study.planning import run_spec

from .forks import forked
from .points import POINTS, SECOND
from .watch import bits

TINY = {
    "activation": "gelu",
    "depth": 2,
    "width": 16,
    "epochs": 3,
    "batch_size": 500,
    "warmup": 1,
    "dropout": 0.1,
}


def command(words: Sequence[str], said: Path, fault: str = "") -> tuple[int, str]:
    """Exit status of `python -m actstudy WORDS` in a forked child, negative for a signal, and what
    it printed.
    """

    def work() -> None:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        os.environ["ACTSTUDY_FAULT"] = fault
        try:
            cli.main(list(words))
        except SystemExit as leaving:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(leaving.code if isinstance(leaving.code, int) else 0)

    return forked(work), said.read_text(errors="replace")


class Trial:
    """A tiny run's command, its undisturbed tables, and what has been found wrong.

    found: the faults, one per line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.chosen = folder, run_spec("mlp", 0, TINY)
        self.attempts, self.refused, self.found = 0, 0, list[str]()
        prepared.prepare("mnist1d", folder / "data/mnist1d")
        status, said = self.train(folder / "calm")
        assert status == 0, said
        self.calm = self.tables(folder / "calm")

    def train(self, results: Path, fault: str = "") -> tuple[int, str]:
        """Exit status and output of the run's command with its folder under `results`."""
        words = [
            "train",
            "--spec",
            spec.canonical(self.chosen),
            "--device",
            "cpu",
            "--checkpoint_seconds",
            "0",
        ]
        words += ["--log_dir", str(results), "--data_dir", str(self.folder / "data"), "--quiet"]
        return command(words, self.folder / "said.txt", fault)

    def tables(self, results: Path) -> list[object]:
        """The run's reproducible tables."""
        return [
            bits(schema.reproducible(one))
            for one in store.read(results / spec.run_id(self.chosen), *schema.SCHEMAS)
        ]

    def attempt(self, results: Path, name: str, fault: str = "") -> bool:
        """Whether the command found the disk full.

        Notes an ending that is not one line naming a file.
        """
        status, said = self.train(results, fault)
        self.attempts += 1
        if status == 0:
            return False
        self.refused += 1
        lines = said.strip().splitlines()
        if status < 0 or "Traceback" in said or len(lines) != 1:
            self.found.append(f"{name}: exit {status}: {lines[-1:]} in {len(lines)} lines")
        elif not (
            re.search(r"[Nn]o space left|full", lines[0])
            and re.search(r"\S+\.(\w+)\b|/\S+", lines[0])
        ):
            self.found.append(f"{name}: says neither what nor where: {lines[0]}")
        return True

    def end(self, results: Path, name: str) -> None:
        """The same command once more, with room: the run's tables are the undisturbed ones."""
        status, said = self.train(results)
        if status:
            self.found.append(f"{name}: does not go on: exit {status}: {said.strip()[-200:]}")
        elif self.tables(results) != self.calm:
            self.found.append(f"{name}: other tables than undisturbed")


def at_points(trial: Trial, points: Sequence[str]) -> int:
    """How many write points found the disk full, each once."""
    hit = 0
    for point in points:
        results = trial.folder / "points" / re.sub(r"\W", "-", point)
        fault = ":".join([*point.split(":")[:1], "full", *point.split(":")[1:]])
        hit += trial.attempt(results, point, fault)
        trial.end(results, point)
    return hit


@contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[Path]:
    """A file system of that size, which only root can make."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        check=True,
        capture_output=True,
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def on_small_disk(trial: Trial, step: int) -> int:
    """How many amounts of free room, from 0 KB to a run's need by `step`, were too little."""
    refused = 0
    for free in range(0, 400, step):
        with small_disk(trial.folder / f"disk{free}") as disk:
            ballast = disk / "ballast"
            ballast.write_bytes(b"\0" * (2048 - free) * 1024)
            full = trial.attempt(disk / "runs", f"{free} KB free")
            ballast.unlink()
            trial.end(disk / "runs", f"{free} KB free")
        refused += full
        if not full:
            break
    return refused


def main() -> int:
    """1 where anything was lost or said badly."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", type=int, default=4, help="KB between amounts of free room")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="full") as folder:
        trial = Trial(Path(folder))
        points = [*POINTS, *SECOND]
        print(f"full at {at_points(trial, points)} of {len(points)} write points", flush=True)
        try:
            print(f"2 MB tmpfs: too full {on_small_disk(trial, asked.step)} times", flush=True)
        except subprocess.CalledProcessError as error:
            print(f"2 MB tmpfs: not tried: {error.stderr.decode().strip()}")
        print(f"{trial.refused} refusals in {trial.attempts}; found wrong: {len(trial.found)}")
        print(*trial.found, sep="\n")
    return int(bool(trial.found))


if __name__ == "__main__":
    sys.exit(main())
