"""A copy of the project that may be broken, driven as `make study` drives it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
KILLED = "died with <Signals.SIGKILL"  # what snakemake's log says of a job that was killed
SAVES = "--checkpoint_seconds 0.05"  # so that a run of seconds has many checkpoints to go on from


class Clone:
    """The project in a folder of its own, its venv that of this process.

    studies: name -> text of the study file; python: the program that its jobs run, else its own.
    """

    def __init__(
        self, folder: Path, studies: dict[str, str], cores: int = 3, python: str = ""
    ) -> None:
        self.folder, self.cores, self.starts = folder, cores, 0
        skip = shutil.ignore_patterns("*.egg-info", "raw")
        for name in ("workflow", "config", "profiles", "lib", "data"):
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / ".venv").symlink_to(sys.prefix)
        self.edit("lib/actstudy/experiments/boundaries.py", "STEPS = 400", "STEPS = 4")
        if python:
            self.edit("Snakefile", r"PYTHON = sys\.executable", f"PYTHON = {python!r}")
        for name, text in studies.items():
            (folder / f"config/{name}.yaml").write_text(text)
        for rule in ("train", "packs"):
            self.edit(f"workflow/rules/{rule}.smk", r'--quiet"', f'--quiet {SAVES}"')

    def edit(self, file: str, pattern: str, replacement: str) -> None:
        """Replace a pattern in a file of the copy; it must be there."""
        path = self.folder / file
        text, found = re.subn(pattern, replacement, path.read_text())
        assert found, f"{file}: nothing matches {pattern!r}"
        path.write_text(text)

    def start(
        self, study: str, targets: Sequence[str] = (), fault: str = ""
    ) -> subprocess.Popen[bytes]:
        """`make study` of one study in a process group of its own; what it prints is kept."""
        self.starts += 1
        said = (self.folder / f"said{self.starts}.txt").open("wb")
        command = [
            ".venv/bin/python",
            "workflow/scripts/study.py",
            *targets,
            "--cores",
            str(self.cores),
        ]
        return subprocess.Popen(
            [*command, "--configfile", f"config/{study}.yaml"],
            cwd=self.folder,
            env=self.environment(fault),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )

    def environment(self, fault: str = "") -> dict[str, str]:
        """The environment in which the copy's own package is used, and breaks at `fault`."""
        path = f"{self.folder / '.venv/bin'}:{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.folder / "lib"), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **own, **({"ACTSTUDY_FAULT": fault} if fault else {})}

    def said(self, last: int = 1) -> str:
        """What the last starts have printed so far."""
        numbers = range(self.starts - last + 1, self.starts + 1)
        return "".join((self.folder / f"said{n}.txt").read_text(errors="replace") for n in numbers)

    def processes(self) -> list[tuple[psutil.Process, list[str]]]:
        """All that works in the copy now, with its command."""
        found = psutil.process_iter(["cwd", "cmdline", "status"])
        mine = [
            one
            for one in found
            if one.info["cwd"] == str(self.folder) and one.info["status"] != "zombie"
        ]
        return [(one, one.info["cmdline"] or []) for one in mine]

    def trainers(self) -> list[psutil.Process]:
        """Processes that train now."""
        trainers = []
        for process, words in self.processes():
            arguments = words[3:] if words[1:2] == ["-IS"] else words[1:]  # of tests/job_client.py
            if arguments[:2] == ["-m", "actstudy"] and arguments[2] in TRAINING:
                trainers.append(process)
        return trainers

    def driver(self) -> psutil.Process | None:
        """The snakemake that works here now."""
        found = [
            one
            for one, words in self.processes()
            if "snakemake" in {Path(word).name for word in words[:3]}
        ]
        return found[0] if found else None

    def logs(self) -> set[Path]:
        """Snakemake's logs, one a start."""
        return set((self.folder / ".snakemake/log").glob("*.log"))

    def deaths(self, before: set[Path]) -> int:
        """Jobs killed since `before`, as far as snakemake lived to write it."""
        return sum(path.read_text(errors="replace").count(KILLED) for path in self.logs() - before)

    def end(self) -> None:
        """Kill whatever works here."""
        for one, _ in self.processes():
            one.kill()


TRAINING = ("train", "pack")
