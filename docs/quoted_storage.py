"""The table of docs/storage.md, from benchmarks/results/storage.parquet."""

import pandas as pd
from measured import BENCHMARKS, markdown

from actstudy.analysis.scale import rounded


def cost() -> str:
    """Seconds, processor seconds and requests per step of a study with a storage and without."""
    rows = []
    for row in pd.read_parquet(BENCHMARKS / "storage.parquet").itertuples():
        numbers = [
            f"{rounded(row.seconds, 1):.1f}",
            f"{rounded(row.cpu_seconds, 1):.1f}",
            f"{row.requests:,}",
        ]
        rows.append([row.step, f"{row.runs:,}", *numbers])
    head = ["step", "runs", "seconds", "processor seconds", "requests"]
    return markdown(head, rows)
