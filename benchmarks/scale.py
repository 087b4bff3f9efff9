"""What a study of 200 to 20,000 runs takes besides training: processor seconds, memory, growth.

    python benchmarks/scale.py --out benchmarks/results
    python benchmarks/scale.py --project OTHER_CHECKOUT --code before --runs 200 2000 --out ...

Each step is a process of its own over run folders that no training wrote (`run_folders`): the dry
run of snakemake, `status` at first and again, the tables at first, again, and after one seed more,
figures, summary and the page to explore, and `snakemake` from the runs to the last page, then with
nothing left to do, and what it does itself for the tables. --evaluations measures longer curves.
Rows of other --code in the file stay.
"""

import argparse
import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import run_folders
import yaml

from actstudy.contract import store
from actstudy.study import planning

ROOT = Path(__file__).resolve().parents[1]
ACTIVATIONS = [
    "relu",
    "tanh",
    "gelu",
    "silu",
    "elu",
    "selu",
    "mish",
    "softplus",
    "leaky_relu",
    "celu",
]
SEEDS = 20
EVALUATIONS = 12  # of a run: 48 curve rows
KEYS = ["code", "step", "runs", "rows_per_run"]
NAME = "scale"


def study_file(folder: Path, runs: int, seeds: int = SEEDS) -> Path:
    """The file of a study of so many runs at SEEDS seeds: activations crossed with widths."""
    widths = [16 * (place + 1) for place in range(runs // (len(ACTIVATIONS) * SEEDS))]
    task = {"epochs": 3, "seeds": seeds, "axes": {"width": widths}}
    content = {"baseline": "relu", "axes": {"activation": ACTIVATIONS}, "tasks": {"mlp": task}}
    file = folder / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def measured(command: Sequence[str], folder: Path, project: Path) -> dict[str, float]:
    """Processor seconds and peak memory of a command in a folder, with the code of a project."""
    words = {"PYTHONPATH": str(project / "lib"), "XDG_CACHE_HOME": str(folder / "caches")}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **words, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - for the type checker
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: {errors[-2000:]}")
    return {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": 1024.0 * usage.ru_maxrss,
    }


def workflow_command(project: Path, file: Path) -> list[str]:
    """A study's workflow."""
    snakefile = ["--snakefile", str(project / "Snakefile")]
    profile = ["--workflow-profile", str(project / "profiles/default")]
    return ["-m", "snakemake", *snakefile, *profile, "--configfile", str(file)]


def notes_command(project: Path, workflow: Sequence[str]) -> list[str]:
    """The workflow without what the job of the tables does: Snakemake's own part of it."""
    has_collect = "rule collect:" in (project / "workflow/rules/tables.smk").read_text()
    between = ["collect"] if has_collect else []
    return [*workflow, "--touch", "--forcerun", "tables", *between]


def tables_command(project: Path, file: Path) -> list[str]:
    """The rule `tables` of a study, without references."""
    sha256 = planning.load(file).plan().sha256
    return [str(project / "workflow/scripts/tables.py"), str(file), "{}", sha256]


def steps_of_pages(project: Path) -> dict[str, list[str]]:
    """Step -> command, of what follows the tables."""
    scripts = project / "workflow/scripts"
    results = f"results/{NAME}"
    return {
        "figures": [str(scripts / "figures.py"), results, "study", "page"],
        "summary": [str(scripts / "summary.py"), results, "summary"],
        "explorer": [str(scripts / "explorer.py"), results],
    }


def provide(folder: Path) -> None:
    """Write what tables wait for besides runs, both empty: toy problems and a reference."""
    toys = folder / "results" / NAME / "boundaries.parquet"
    toys.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame().to_parquet(toys)
    reference = folder / store.REFERENCES / "mlp-mnist1d.json"
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.write_text("[]")


def measure(
    runs: int, evaluations: int, project: Path, place: Path | None, steps: Iterable[str]
) -> list[dict[str, Any]]:
    """A row per step of a study of so many runs; steps: those that are asked.

    place: where its folder stays and may be from another call; None: a new one, removed after.
    """
    rows = []
    with contextlib.ExitStack() as stack:
        if place:
            folder = place.resolve() / f"{NAME}-{runs}"
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provide(folder)
        file = study_file(folder, runs)
        workflow = workflow_command(project, file)

        def take(step: str, command: Sequence[str], n: int = runs) -> None:
            if step in steps:
                row = {"step": step, "runs": n, "rows_per_run": 4 * evaluations}
                rows.append({**row, **measured(command, folder, project)})
                print(rows[-1], flush=True)

        take("plan", [*workflow, "-n"])
        os.chdir(folder)  # planning reads the decisions there
        if set(steps) != {"plan"}:
            run_folders.write(planning.load(file), folder / store.RUNS, evaluations)
        status = ["-m", "actstudy", "status", "--config", str(file)]
        take("status, first", status)
        take("status", status)
        take("plan, all done", [*workflow, "-n"])
        tables = tables_command(project, file)
        take("tables, first", tables)
        take("tables, nothing new", tables)
        for step, command in steps_of_pages(project).items():
            take(step, command)
        if "snakemake, tables" in steps:
            shutil.rmtree(folder / "results" / NAME)
            shutil.rmtree(folder / ".snakemake", ignore_errors=True)
            provide(folder)
        take("snakemake, tables", workflow)
        take("snakemake, nothing new", workflow)
        take("snakemake, notes on tables", notes_command(project, workflow))
        if "tables, one more seed" in steps:
            file = study_file(folder, runs, SEEDS + 1)
            run_folders.write(planning.load(file), folder / store.RUNS, evaluations)
            take("tables, one more seed", tables_command(project, file))
    return rows


STEPS = ["plan", "status, first", "status", "plan, all done", "tables, first"]
STEPS += ["tables, nothing new", "figures", "summary", "explorer"]
STEPS += ["snakemake, tables", "snakemake, nothing new", "snakemake, notes on tables"]
STEPS += ["tables, one more seed"]


def exponents(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the growth from the next smaller study: 1 is linear; NaN for the smallest."""
    frame = frame.sort_values([*KEYS[:2], "rows_per_run", "runs"])
    growth = {"time_exponent": "cpu_seconds", "memory_exponent": "peak_bytes"}
    for name, column in growth.items():
        values = []
        for _, part in frame.groupby(["code", "step", "rows_per_run"], sort=False):
            runs = part["runs"].tolist()
            measures = part[column].tolist()
            values.append(math.nan)
            for place in range(1, len(part)):
                factor = math.log(measures[place] / measures[place - 1])
                values.append(factor / math.log(runs[place] / runs[place - 1]))
        frame[name] = values
    return frame


def main() -> None:
    """Measure, print, and write `scale.parquet`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[200, 2000, 20_000])
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, help="of a run")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--project", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--code", default="now", help="what the rows call it")
    parser.add_argument("--place", type=Path, help="where run folders stay (default: removed)")
    parser.add_argument("--out", type=Path, required=True, help="folder of scale.parquet")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out.resolve() / "scale.parquet"
    project = arguments.project.resolve()
    for runs in arguments.runs:
        rows = measure(runs, arguments.evaluations, project, arguments.place, arguments.steps)
        frame = pd.DataFrame(rows).assign(code=arguments.code)
        if out.is_file():
            frame = pd.concat([pd.read_parquet(out), frame])
        frame = frame.drop_duplicates(KEYS, keep="last")
        frame = exponents(frame).reset_index(drop=True)
        frame.to_parquet(out, index=False)
    print(frame.to_string())


if __name__ == "__main__":
    main()
