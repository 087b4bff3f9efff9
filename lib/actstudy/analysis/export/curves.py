"""The curves of a study's runs as CSV, a file per run, for any other tool."""

from pathlib import Path

from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.contract import store
from actstudy.study.planning import Study

PLACE = ["step", "epoch", "samples", "train_seconds"]


def export(study: Study, out: Path, runs_root: Path = store.RUNS, decimal: str = ".") -> list[Path]:
    """Write `out/TASK/RUN.csv` for every ended run: a row per evaluation, a column per metric.

    decimal: the mark in numbers; where it is a comma, columns are separated by semicolons.
    """
    runs = {run.id: run for run in study.tuning + study.runs()}
    written = []
    for run in runs.values():
        folder = store.run_folder(run.spec, runs_root)
        if not store.verifies(folder):
            continue
        curves = store.read(folder, "curves")[0].to_pandas()
        named = curves.assign(column=curves["split"] + "_" + curves["metric"])
        table = named.pivot(index=PLACE, columns="column", values="value").reset_index()
        path = out / run.spec.task / f"{run.id}.csv"
        write_csv(table, path, decimal=decimal)
        written.append(path)
    return written
