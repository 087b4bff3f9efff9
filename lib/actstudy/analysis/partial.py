"""A summary of whatever exists, in a folder of its own so that the workflow never takes it for a finished one."""

import json
from pathlib import Path

import pandas as pd

from actstudy.analysis import figures, tables
from actstudy.analysis.page import summary
from actstudy.contract.spec import data_name
from actstudy.study.planning import Study


def write_partial(study: Study) -> Path:
    """Write tables, figures and `summary.md`, headed PARTIAL, under `partial/`; returns the page's path."""
    folder = Path(study.folder) / "partial"
    references = [
        json.loads(path.read_text()) for path in sorted(Path("results/references").glob("*.json"))
    ]
    mine = {(run.spec.task, data_name(run.spec)) for run in study.runs()}
    references = [one for one in references if (one["task"], one["data"]) in mine]
    toys = Path(study.folder) / "boundaries.parquet"
    boundaries = pd.read_parquet(toys) if toys.is_file() else pd.DataFrame()
    made = tables.build(study.plan(), Path("results/runs"), references, boundaries)
    tables.write(made, folder / "tables")
    figures.draw_all(made, folder / "figures")
    page = folder / "summary.md"
    page.write_text(summary.render(made, folder / "figures", page, partial=True), encoding="utf-8")
    return page
