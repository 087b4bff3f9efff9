"""The tables of throughput, training time and memory on the summary page, as Markdown."""

from typing import Any

import pandas as pd

from actstudy.analysis.markdown import cell_name, markdown
from actstudy.analysis.page.result_tables import steps_of, steps_trained
from actstudy.analysis.tables import Tables

PACKED = "No run has completed by itself: time and memory of a pack are not those of its runs."


def compute(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory, a row per cell."""
    steps = steps_trained(tables, task)
    rows = []
    for row in _measured(tables, task):
        rows.append({**_cost(row), **steps_of(steps, cell_name(row["level"], row["group"]))})
    return markdown(rows, PACKED)


def compute_of_front(tables: Tables, task: str) -> str:
    """Throughput, training seconds and peak memory of the cells on the Pareto front."""
    measured = _measured(tables, task)
    if not measured:
        return PACKED
    front = [_cost(row) for row in measured if row["on_front"]]
    if not front:
        return "No cell was timed; memory is in tables/pareto.csv."
    note = "Only the cells on the Pareto front of their group; all cells are in tables/pareto.csv."
    return f"{markdown(front)}\n\n{note}"


def gpu_use(tables: Tables, task: str) -> str:
    """How many runs had a GPU that another process used, or may have used, as sentences."""
    runs = tables.of("runs", task).reindex(columns=["slots_per_gpu", "gpu_in_use"])
    alone = runs[runs["slots_per_gpu"] == 1]
    n_beside = int((alone["gpu_in_use"] == True).sum())  # noqa: E712 - missing is neither
    n_unknown = int(alone["gpu_in_use"].isna().sum())
    sentences = []
    if n_beside:
        sentences.append(
            f"Not timed, because another process used their GPU: {n_beside} of {len(alone)} runs."
        )
    if n_unknown:
        sentences.append(
            f"Timed, though it is not known whether another process used their GPU: "
            f"{n_unknown} of {len(alone)} runs."
        )
    return " ".join(sentences)


def _measured(tables: Tables, task: str) -> list[dict[Any, Any]]:
    """The rows of `pareto` with a peak memory."""
    rows = tables.of("pareto", task).to_dict("records")
    return [row for row in rows if pd.notna(row["peak_memory_bytes"])]


def _cost(row: dict[Any, Any]) -> dict[str, Any]:
    """A cell's row of the table of compute."""
    throughput = "not timed"
    seconds = "not timed"
    chance = ""
    if row["n_timed"]:
        throughput = f"{row['throughput']:,.0f}"
        seconds = f"{row['train_seconds']:.2f}"
    if pd.notna(row["front_probability"]):
        chance = f"{100 * row['front_probability']:.0f}%"
    return {
        "cell": cell_name(row["level"], row["group"]),
        f"throughput ({row['throughput_unit']})": throughput,
        "training (s)": seconds,
        f"peak memory (MB, {row['peak_memory_kind']})": f"{row['peak_memory_bytes'] / 1e6:,.0f}",
        "timed n": row["n_timed"],
        "on the Pareto front": "yes" if row["on_front"] else "no",
        "chance of the front": chance,
    }
