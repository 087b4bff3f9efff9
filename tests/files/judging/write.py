"""Writes the files of this folder with the tools whose formats they are: `python write.py TOOL`.

TOOL is one of TOOLS, each installed by itself, in the version of versions.json: they bring a
hundred packages that tests do not need. All write the same runs: the levels relu and gelu, seeds 0
to 3, at steps 0 to 2 the numbers of `numbers` (benchopt: of its solver, in two data sets).
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
VERSIONS = FOLDER / "versions.json"
LEVELS = ("relu", "gelu")
SEEDS = range(4)
STEPS = range(3)


def numbers(level: str, seed: int, step: int) -> dict[str, float]:
    """val_loss, smallest at step 1, and accuracy, which rises, of a run at a step."""
    base = 0.8 + 0.01 * LEVELS.index(level) + 0.001 * seed
    return {"val_loss": 1 - base + 0.1 * abs(step - 1), "accuracy": base + 0.002 * step}


def runs() -> Iterator[tuple[str, int]]:
    """Level and seed of every run."""
    for level in LEVELS:
        for seed in SEEDS:
            yield level, seed


def pack(archive: Path, folder: Path, files: Iterable[Path]) -> None:
    """A zip of files with their names below a folder."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in files:
            opened.write(file, file.relative_to(folder))


def write_wandb() -> None:
    """wandb.zip: the .wandb files of offline runs, which say nothing of the host."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    quiet = {"x_disable_meta": True, "x_disable_machine_info": True, "x_disable_stats": True}
    options = wandb.Settings(disable_git=True, host="host", save_code=False, **quiet)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for level, seed in runs():
            settings = {"activation": level, "seed": seed, "optimizer": {"lr": 0.1}}
            name = f"{level}-{seed}"
            with wandb.init(project="judged", name=name, config=settings, settings=options) as run:
                for step in STEPS:
                    run.log(numbers(level, seed, step))
        pack(FOLDER / "wandb.zip", Path(folder), sorted(Path(folder).rglob("*.wandb")))


def write_mlflow() -> None:
    """mlruns.zip: a file store, without the tags that name the host."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(Path(folder, "mlruns").as_uri())
        mlflow.set_experiment("judged")
        for level, seed in runs():
            with mlflow.start_run(run_name=f"{level}-{seed}"):
                mlflow.log_params({"activation": level, "seed": seed, "optimizer/lr": 0.1})
                for step in STEPS:
                    mlflow.log_metrics(numbers(level, seed, step), step=step)
        for file in Path(folder, "mlruns").rglob("meta.yaml"):
            file.write_text(file.read_text().replace(folder, "/judged"))
        files = Path(folder, "mlruns").rglob("*")
        host = ("mlflow.source.", "mlflow.user")
        kept_files = [file for file in files if file.is_file() and not file.name.startswith(host)]
        pack(FOLDER / "mlruns.zip", Path(folder), sorted(kept_files))


def write_trackio() -> None:
    """trackio.zip: a project's store."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRACKIO_DIR"] = folder
        import trackio

        for level, seed in runs():
            settings = {"activation": level, "seed": seed, "optimizer": {"lr": 0.1}}
            trackio.init(project="judged", name=f"{level}-{seed}", config=settings)
            for step in STEPS:
                trackio.log(numbers(level, seed, step))
            trackio.finish()
        pack(FOLDER / "trackio.zip", Path(folder), [Path(folder, "judged.db")])


BENCHMARK = {
    "objective.py": """
from benchopt import BaseObjective
class Objective(BaseObjective):
    name = "judged"
    min_benchopt_version = "1.6"
    sampling_strategy = "iteration"
    def set_data(self, offset): self.offset = offset
    def get_one_result(self): return dict(base=0.0)
    def get_objective(self): return dict(offset=self.offset)
    def evaluate_result(self, base): return dict(value=base + self.offset, error=1 - base)
""",
    "datasets/two.py": """
from benchopt import BaseDataset
class Dataset(BaseDataset):
    name = "two"
    parameters = {"offset": [0.0, 1.0]}
    def get_data(self): return dict(offset=self.offset)
""",
    "solvers/one.py": """
from benchopt import BaseSolver
class Solver(BaseSolver):
    name = "fit"
    sampling_strategy = "iteration"
    parameters = {"activation": ["relu", "gelu"]}
    def set_objective(self, offset):
        self.seed = self.get_seed(use_repetition=True)
    def run(self, n_iter):
        level = ["relu", "gelu"].index(self.activation)
        self.base = 0.8 + 0.01 * level + 0.001 * (self.seed % 7) + 0.002 * n_iter
    def get_result(self): return dict(base=self.base)
""",
}


def write_benchopt() -> None:
    """benchopt.parquet: the output of `benchopt run`; columns on the host are emptied."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        benchmark = Path(folder, "judged")
        for name, text in BENCHMARK.items():
            (benchmark / name).parent.mkdir(parents=True, exist_ok=True)
            (benchmark / name).write_text(text)
        command = ["benchopt", "run", str(benchmark), "-r", "4", "-n", "3", "--no-plot"]
        program = Path(sys.executable).parent / command[0]
        subprocess.run([program, *command[1:], "--output", "judged"], check=True)
        (file,) = benchmark.rglob("*.parquet")
        frame = pd.read_parquet(file)
        host = [name for name in frame if name.startswith(("platform", "system", "benchmark-git"))]
        frame.assign(**dict.fromkeys(host)).to_parquet(FOLDER / "benchopt.parquet")


TOOLS: dict[str, Callable[[], None]] = {
    "wandb": write_wandb,
    "mlflow": write_mlflow,
    "trackio": write_trackio,
    "benchopt": write_benchopt,
}


if __name__ == "__main__":
    (tool,) = sys.argv[1:]
    TOOLS[tool]()
    package = {"mlflow": "mlflow-skinny"}.get(tool, tool)
    versions = json.loads(VERSIONS.read_text()) if VERSIONS.exists() else {}
    versions[tool] = importlib.metadata.version(package)
    VERSIONS.write_text(json.dumps(dict(sorted(versions.items())), indent=1) + "\n")
