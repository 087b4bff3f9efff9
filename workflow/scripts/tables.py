"""Rule tables: run folders and references in, the study's tables out."""

import json
from pathlib import Path

import pandas as pd

from actstudy.analysis import tables
from actstudy.analysis.export import latex
from actstudy.contract.plan import Plan

boundaries = pd.read_parquet(snakemake.input.boundaries)
references = [json.loads(Path(path).read_text("utf-8")) for path in snakemake.input.references]
plan = Plan.from_json(snakemake.params.plan)
frames = tables.build(plan, Path("results/runs"), references, boundaries)
folder = Path(snakemake.output.plan).parent
tables.write(frames, folder)
latex.write(frames, folder)
