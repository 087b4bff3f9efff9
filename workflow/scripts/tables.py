"""Rule tables: run folders and references in, the study's tables out.

    tables.py FILE OVERRIDES PLAN REFERENCE...

FILE: the study's; OVERRIDES: pairs of `--config` as JSON; PLAN: the SHA-256 of the plan that the
runs were trained by; REFERENCE: files of reference scores.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from actstudy.analysis import run_tables, tables
from actstudy.analysis.export import latex
from actstudy.analysis.forecast import folders_of
from actstudy.contract import errors, sealed, store
from actstudy.study import planning

file, overrides, planned, *references = sys.argv[1:]
study = planning.load(file, json.loads(overrides))
plan = study.plan()
if plan.sha256 != planned:
    errors.refuse(f"{file}: the study was edited while it ran; to mend: the same command again")
results = Path(study.folder)
sealed.unpack_all(folders_of(study.tuning + study.possible, store.RUNS).values())
frames = tables.build(
    plan,
    store.RUNS,
    [json.loads(Path(path).read_text("utf-8")) for path in references],
    pd.read_parquet(results / "boundaries.parquet"),
    results / run_tables.FOLDER,
)
tables.write(frames, results / "tables")
latex.write(frames, results / "tables")
