"""The curves of a study's runs as CSV, a file a run, for any other tool."""

from pathlib import Path

from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.analysis.status import RUNS, folder_of
from actstudy.contract import store
from actstudy.study.planning import Study

AT = ["step", "epoch", "samples", "train_seconds"]


def export(study: Study, out: Path, runs_root: Path = RUNS) -> list[Path]:
    """Write `out/TASK/RUN.csv` for every run that has ended: a row an evaluation, a column a split's metric."""
    written = []
    for run in {run.id: run for run in study.tuning + study.runs()}.values():
        folder = folder_of(run, runs_root)
        if not store.verifies(folder):
            continue
        curves = store.read(folder, "curves")[0].to_pandas()
        wide = curves.assign(column=curves["split"] + "_" + curves["metric"])
        wide = wide.pivot(index=AT, columns="column", values="value").reset_index()
        path = out / run.spec.task / f"{run.id}.csv"
        write_csv(wide, path)
        written.append(path)
    return written
