"""Tables of docs/scale.md, from benchmarks/results/scale.parquet."""

import math

import pandas as pd
from measured import BENCHMARKS, markdown

from actstudy.analysis.scale import rounded

FAR = 1_000_000  # runs of a study that nobody has run
LINEAR = 1.0


def rows() -> pd.DataFrame:
    """The rows of the benchmark, with their exponents."""
    return pd.read_parquet(BENCHMARKS / "scale.parquet")


def scale() -> str:
    """Processor seconds, peak memory and growth per step, size and code."""
    lines = []
    for (step, per_run), part in rows().groupby(["step", "rows_per_run"], sort=False):
        for row in part.sort_values(["code", "runs"]).itertuples():
            lines.append(
                [
                    step,
                    row.code,
                    f"{row.runs:,}",
                    f"{per_run:,}",
                    f"{rounded(row.cpu_seconds, 1):.1f}",
                    f"{rounded(row.peak_bytes / 2**20, 0):,.0f}",
                    exponent(row.time_exponent),
                    exponent(row.memory_exponent),
                ]
            )
    head = "step|code|runs|curve rows per run|processor seconds|peak MiB|time grows as|memory as"
    return markdown(head.split("|"), lines)


def exponent(value: float) -> str:
    """`runs^1.02`; empty for the smallest study."""
    return "" if math.isnan(value) else f"runs^{rounded(value, 2):.2f}"


def scale_far() -> str:
    """What FAR runs would take, by the largest study and at least linear growth."""
    lines = []
    present = rows()
    present = present[present["code"] == "now"]
    for (step, per_run), part in present.groupby(["step", "rows_per_run"], sort=False):
        largest = part.sort_values("runs").iloc[-1]
        if math.isnan(largest["time_exponent"]):
            continue
        factor = FAR / largest["runs"]
        seconds = largest["cpu_seconds"] * factor ** max(LINEAR, largest["time_exponent"])
        memory = largest["peak_bytes"] * factor ** max(0.0, largest["memory_exponent"])
        of = f"{rounded(largest['runs'], 0):,.0f} runs of {per_run:,} rows"
        lines.append(
            [step, of, f"{rounded(seconds / 3600, 1):.1f}", f"{rounded(memory / 2**30, 1):.1f}"]
        )
    return markdown(["step", "from", "processor hours", "peak GiB"], lines)
