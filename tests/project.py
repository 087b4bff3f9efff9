"""A copy of the project that the workflow's tests run and edit."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import snakes
import yaml
from runs import ROOT, quiet, run

from actstudy.contract import store
from actstudy.data import prepared
from actstudy.experiments import boundaries
from actstudy.study.grid import PlannedRun
from actstudy.tasks import mlp

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--configfile", "config/smoke.yaml"]
COPIED = ("Snakefile", "workflow", "config", "profiles", "lib", "data")
SKIPPED = ("*.egg-info", "raw")


def shorten_toy_problems(folder: Path) -> None:
    """Make the toy problems of a copy of the project train for few steps."""
    path = folder / "lib/actstudy/experiments/boundaries.py"
    text = path.read_text()
    assert "STEPS = 400" in text
    path.write_text(text.replace("STEPS = 400", "STEPS = 4"))


def provide(folder: Path, study: str, activations: Sequence[str]) -> None:
    """Write what tables of a study wait for besides its runs: toy problems, a reference of mlp.

    A workflow in the folder, which has the prepared data, then starts no job for them.
    """
    toys = folder / "results" / study / "boundaries.parquet"
    toys.parent.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundaries, "STEPS", 4)
        boundaries.write([*activations, "identity"], toys)
    reference = folder / "results/references/mlp-mnist1d.json"
    if not reference.is_file():
        reference.parent.mkdir(parents=True)
        scores = mlp.reference(prepared.load(folder / "results/data/mnist1d"))
        store.write_json(reference, {"task": "mlp", "data": "mnist1d", **scores})


class Project:
    """A copy of the project in a folder of its own, where files may be edited.

    Its smoke study is cut to the task mlp, one seed and five epochs, its toy problems to few steps.
    prepared: folders of prepared data sets that are copied too.
    """

    def __init__(self, folder: Path, prepared: Sequence[Path] = ()) -> None:
        self.folder = folder
        for data in prepared:
            shutil.copytree(data, folder / "results/data" / data.name)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                skipped = shutil.ignore_patterns(*SKIPPED)
                shutil.copytree(source, folder / name, ignore=skipped)
            else:
                shutil.copy(source, folder / name)
        smoke = yaml.safe_load((folder / "config/smoke.yaml").read_text())
        smoke["tasks"] = {"mlp": {"seeds": 1, "epochs": 5}}
        (folder / "config/smoke.yaml").write_text(yaml.safe_dump(smoke))
        shorten_toy_problems(folder)

    def call(self, *command: str, status: int = 0) -> str:
        """What a command in the copy prints; fails unless it exits with `status`."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "lib"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = self._run(command, environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _run(
        self, command: Sequence[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """What a command did: Python's modules that others need are there already, in a fork."""
        if list(command[:2]) == [sys.executable, "-m"] and command[2] in snakes.PROGRAMS:
            return snakes.called(self.folder, command[2], command[3:], environment)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def snakemake(self, *arguments: str, status: int = 0) -> str:
        """What Snakemake prints for the smoke study."""
        return self.call(*SNAKEMAKE, *arguments, status=status)

    def planned(self, *arguments: str) -> tuple[set[str], set[str]]:
        """Rules and run ids that a dry run would start."""
        printed = self.snakemake("-n", "--quiet", "host", *arguments)
        ids = set(re.findall(r"wildcards: task=\w+, id=(\S+)", printed))
        for rule, run_id in re.findall(r"^rule (\w+):.*?(?:id=(\S+))?$\n\n", printed, re.S | re.M):
            if rule == "train":
                ids.add(run_id)
        rules = set(re.findall(r"^rule (\w+):", printed, re.M))
        return rules, ids - {""}

    def seal(self, runs: Iterable[PlannedRun], data: Path) -> None:
        """Train runs here; their jobs in the workflow then publish them, without importing torch.

        data: the folder of their prepared data.
        """
        for planned in runs:
            folder = store.run_folder(planned.spec, self.folder / "results/runs")
            run(planned.spec, folder, data, quiet(probe_every=200))
            for name in store.FILES:
                (folder / name).unlink()

    def provide(self, study: str, activations: Sequence[str]) -> None:
        """Write what tables of a study wait for besides its runs, as `provide` does."""
        provide(self.folder, study, activations)

    def run_folders(self) -> list[Path]:
        """The folders of the runs of the task mlp."""
        return sorted((self.folder / "results/runs/mlp").glob("[!.]*"))
