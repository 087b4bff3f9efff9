"""A summary of what exists, in a folder of its own, which the workflow never takes for whole."""

import json
from pathlib import Path

import pandas as pd

from actstudy.analysis import figures, tables
from actstudy.analysis.export import latex
from actstudy.analysis.page import ledger, summary
from actstudy.contract import store
from actstudy.contract.spec import data_name
from actstudy.study.planning import Study


def write_partial(study: Study, out: Path | None = None) -> Path:
    """Write tables, figures and pages (PARTIAL) into a folder; returns `summary.md`.

    out: the folder, if it is not `partial/` among the study's results.
    """
    folder = out or Path(study.folder) / "partial"
    data = {(run.task, data_name(run.spec)) for run in study.runs()}
    references = []
    for path in sorted(store.REFERENCES.glob("*.json")):
        rows = json.loads(path.read_text())
        for row in rows if isinstance(rows, list) else [rows]:
            if (row["task"], row["data"]) in data:
                references.append(row)
    toys = Path(study.folder) / "boundaries.parquet"
    boundaries = pd.read_parquet(toys) if toys.is_file() else pd.DataFrame()
    built = tables.build(study.plan(), store.RUNS, references, boundaries)
    tables.write(built, folder / "tables")
    latex.write(built, folder / "tables")
    figures.draw_page(built, folder / "figures")
    if study.ledger:
        claims = folder / "claims.md"
        claims.write_text(ledger.render(built, folder / "figures", claims), encoding="utf-8")
    _write_explorer(built, folder / "explorer.html")
    page = folder / "summary.md"
    summary.write(built, folder / "figures", page, partial=True)
    return page


def _write_explorer(built: tables.Tables, path: Path) -> None:
    from actstudy.analysis.explorer import page  # late: it takes longer than all other imports

    with store.replacing(path) as draft:
        draft.write_text(page.render(built, partial=True), encoding="utf-8")
