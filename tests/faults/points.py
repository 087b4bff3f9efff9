"""What the storm breaks, and where: its studies, their targets, every write point by name."""

import random
from collections.abc import Iterator
from pathlib import Path

import yaml

from actstudy.contract import faults, store
from actstudy.study.planning import load

HERE = Path(__file__).parent
WRITTEN = ["spec.json", "environment.json", "progress.json", "step.pt", "step.sha256", "best.pt"]
POINTS = [f"{file}/{stage}" for file in [*WRITTEN, *store.FILES] for stage in faults.STAGES]
SECOND = [
    f"{file}/{stage}:2" for file in store.FILES for stage in faults.STAGES
]  # kept first, then published


def studies(small: bool, looks: bool) -> dict[str, str]:
    """Study files of the storm; `small` has four cells."""
    grid = yaml.safe_load((HERE / "grid.yaml").read_text())
    if small:
        grid["axes"] = {
            "activation": ["relu", "tanh"],
            "engine": ["eager", {"engine": "pack", "pack_width": 2}],
        }
    return {"storm": yaml.safe_dump(grid)} | (
        {"looks": (HERE / "looks.yaml").read_text()} if looks else {}
    )


def asked(project: Path, small: bool) -> dict[str, list[str]]:
    """What a start of each study asks for: its tables, `small` its runs.

    Figures change no bit and take minutes.
    """
    tables = {name: [f"results/{name}/tables/plan.json"] for name in studies(small, True)}
    runs = load(str(project / "config/storm.yaml")).runs()
    return (
        {**tables, "storm": [f"results/runs/mlp/{run.id}/manifest.json" for run in runs]}
        if small
        else tables
    )


def points(rng: random.Random) -> Iterator[str]:
    """Write points, each once in random order, then again; every fifth start has none."""
    while True:
        mixed = [*POINTS, *SECOND]
        rng.shuffle(mixed)
        for k, point in enumerate(mixed):
            yield f"{point}:{rng.randint(1, 9)}" if point.startswith("step") else point
            if k % 5 == 4:
                yield ""
