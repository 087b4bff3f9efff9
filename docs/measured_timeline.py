"""The table of docs/performance.md of what two GPUs did, from benchmarks/results."""

import sys

import pandas as pd
from measured import BENCHMARKS, card, markdown

sys.path.append(str(BENCHMARKS.parent))
from timeline_rows import per_gpu


def timeline() -> str:
    """A row per GPU of a study: its share of the time with a run, its load, where seconds went."""
    sums = per_gpu(pd.read_parquet(BENCHMARKS / "timeline.parquet"))
    lines = []
    for gpu in sums.to_dict("records"):
        of_starts = (gpu["start_seconds"] + gpu["compile_seconds"]) / gpu["seconds"]
        shares = [f"{share:.0%}" for share in (gpu["held"], gpu["busy"], of_starts)]
        counts = [f"{gpu['runs']}", f"{gpu['seconds'] / 60:.1f}", *shares]
        gaps = [f"{gpu['gaps']}", f"{gpu['longest_gap']:.0f} s"]
        lines.append([f"{gpu['gpu']} ({card(gpu['device'])})", *counts, *gaps])
    head = "GPU|runs|minutes|with a run|load|start and compilation|gaps|longest gap"
    return markdown(head.split("|"), lines)
