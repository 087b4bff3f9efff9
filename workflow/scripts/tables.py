"""Rule tables: run folders and references in, the study's tables out."""

import json
from pathlib import Path

from actstudy.analysis import tables

references = [json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input.references]
made = tables.build(json.loads(snakemake.params.plan), Path("results/runs"), references)
tables.write(made, Path(snakemake.output.plan).parent)
